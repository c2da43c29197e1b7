"""DPO: one example by hand, the published formula written out, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.objectives import CompletionObjective, PairwiseObjective
from summpo.objectives.dpo import DPO
from summpo.records import LogProbs, PairLogProbs

log_probs = st.lists(st.floats(-20, 0), min_size=4, max_size=4)


def one_token_each(values: list[float]) -> LogProbs:
    return LogProbs(torch.tensor(values, dtype=torch.float64), torch.ones(len(values), dtype=torch.long))


def loss_of(objective: DPO, policy: LogProbs, reference: LogProbs) -> torch.Tensor:
    """Float [pair], as the training step puts it together without a margin."""
    pairs = len(policy.lengths) // 2
    return objective.losses(PairLogProbs(policy, reference, np.arange(pairs)), torch.zeros(pairs)).loss


def test_by_hand() -> None:
    """beta = 0.5. Chosen of two tokens, rejected of one.

    policy     -1 - 2 = -3   and -4;    reference   -2 - 3 = -5   and -2
    D          (-3 + 5) - (-4 + 2) = 2 + 2 = 4;     logit 0.5 * 4 = 2
    loss       ln(1 + exp(-2)) = 0.126928;          implicit rewards 0.5 * 2 = 1 and 0.5 * -2 = -1
    """
    lengths = torch.tensor([2, 1])
    policy, reference = LogProbs(torch.tensor([-1.0, -2, -4]), lengths), LogProbs(torch.tensor([-2.0, -3, -2]), lengths)
    made = DPO(beta=0.5).losses(PairLogProbs(policy, reference, np.zeros(1, np.int64)), torch.zeros(1))
    assert made.rewards.tolist() == [1.0, -1.0]
    assert made.logit.tolist() == [2.0]
    assert made.loss.tolist() == pytest.approx([0.126928], abs=1e-6)


@given(log_probs, log_probs, st.floats(0.01, 2), st.floats(0, 0.49))
def test_equals_the_published_formula(policy: list[float], reference: list[float], beta: float, e: float) -> None:
    """-(1-e) log sigmoid(beta D) - e log sigmoid(-beta D), written out without the package's pieces."""
    losses = loss_of(DPO(beta, e), one_token_each(policy), one_token_each(reference))
    for i in range(2):
        d = (policy[i] - reference[i]) - (policy[2 + i] - reference[2 + i])
        right, flipped = (math.log1p(math.exp(-sign * beta * d)) for sign in (1, -1))
        assert losses[i].item() == pytest.approx((1 - e) * right + e * flipped, rel=1e-9, abs=1e-9)


@given(log_probs, st.floats(0.01, 2), st.floats(0, 0.49))
def test_at_the_reference_every_loss_is_ln_2(policy: list[float], beta: float, e: float) -> None:
    same = one_token_each(policy)
    assert loss_of(DPO(beta, e), same, same).tolist() == pytest.approx([math.log(2)] * 2)


def test_is_a_pairwise_objective_with_a_reference() -> None:
    assert (DPO().learns_from, DPO().needs_reference) == ("pairs", True)
    assert isinstance(DPO(), PairwiseObjective)
    assert not isinstance(DPO(), CompletionObjective)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"beta": 0}, "beta must be > 0, got 0 (config key objective.beta)"),
        ({"beta": math.nan}, "beta must be > 0, got nan (config key objective.beta)"),
        ({"label_smoothing": -0.1}, "label_smoothing must be >= 0, got -0.1 (config key objective.label_smoothing)"),
        ({"label_smoothing": 0.5}, "label_smoothing must be < 0.5, got 0.5 (config key objective.label_smoothing)"),
    ],
)
def test_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        DPO(**settings)
    assert str(refusal.value) == sentence
