"""SFT beside any objective of pairs: by hand, and what it leaves to the objective. Its laws are in objectives/."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from summpo.errors import UserError
from summpo.objectives import PairwiseObjective, needs_collisions
from summpo.objectives.dpo import DPO
from summpo.objectives.sft_term import WithSFT
from summpo.objectives.simpo import SimPO
from summpo.objectives.wpo import WPO
from summpo.records import LogProbs, PairLogProbs

LENGTHS = torch.tensor([2, 1])
PAIR = PairLogProbs(
    LogProbs(torch.tensor([-1.0, -2.0, -4.0]), LENGTHS),
    LogProbs(torch.tensor([-2.0, -3.0, -2.0]), LENGTHS),
    np.zeros(1, np.int64),
)


def test_by_hand() -> None:
    """DPO with beta = 0.5: D = 4, logit 2, loss ln(1 + e^-2) = 0.126928. The chosen has 1.5 nats a token, 0.4 * 1.5 = 0.6."""
    plain, made = (objective.losses(PAIR, torch.zeros(1)) for objective in (DPO(0.5), WithSFT(DPO(0.5), 0.4)))
    assert made.loss.item() == pytest.approx(0.126928 + 0.6, abs=1e-6)
    assert torch.equal(made.logit, plain.logit) and torch.equal(made.rewards, plain.rewards)


def test_wpos_weight_is_not_on_it() -> None:
    """The weight of the pair is e^(-1.5 - 4): it is on DPO's loss alone."""
    made = WithSFT(WPO(0.5), 0.4).losses(PAIR, torch.zeros(1))
    assert made.loss.item() == pytest.approx(math.exp(-5.5) * 0.126928 + 0.6, abs=1e-6)


def test_needs_what_the_objective_needs() -> None:
    found = [
        (made.needs_reference, needs_collisions(made)) for made in (WithSFT(o, 1.0) for o in (DPO(), SimPO(), WPO()))
    ]
    assert found == [(True, False), (False, False), (True, True)]
    assert isinstance(WithSFT(DPO(), 1.0), PairwiseObjective)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan])
def test_refused(weight: float) -> None:
    with pytest.raises(UserError) as refusal:
        WithSFT(DPO(), weight)
    assert str(refusal.value) == f"sft_weight must be > 0, got {weight} (config key sft_weight)"
