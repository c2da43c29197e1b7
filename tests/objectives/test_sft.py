"""SFT: minus the log-prob of each completion token."""

import math

import pytest
import torch

from summpo.objectives import CompletionObjective, PairwiseObjective
from summpo.objectives.sft import SFT
from summpo.records import LogProbs


def test_by_hand() -> None:
    """Completions with token probabilities 1/2 | 1/4, 1/2: losses (1, 2, 1) ln 2, mean over tokens 4/3 ln 2 = 0.924196."""
    losses = SFT().token_loss(LogProbs(torch.tensor([1 / 2, 1 / 4, 1 / 2]).log(), torch.tensor([1, 2])))
    assert losses.tolist() == pytest.approx([math.log(2), 2 * math.log(2), math.log(2)])
    assert losses.mean().item() == pytest.approx(0.924196, abs=1e-6)


def test_is_an_objective_of_single_completions() -> None:
    assert SFT().learns_from == "completions"
    assert isinstance(SFT(), CompletionObjective)
    assert not isinstance(SFT(), PairwiseObjective)
