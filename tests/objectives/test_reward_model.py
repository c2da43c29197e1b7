"""The reward model's objective: by hand, its laws, its gradient, and the shape that broadcasting once broke."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.objectives import CompletionObjective, PairwiseObjective, ScoreObjective
from summpo.objectives.reward_model import RewardModel

SCORES = st.lists(st.floats(-20, 20), min_size=2, max_size=12).filter(lambda values: len(values) % 2 == 0)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_by_hand() -> None:
    """Scores 2, 0 | 1, 3 and margins 0.5, -1: logits 2 - 1 - 0.5 and 0 - 3 + 1; losses ln(1 + e^-0.5), ln(1 + e^2)."""
    made = RewardModel().score_losses(tensor(2, 0, 1, 3), tensor(0.5, -1))
    assert made.logit.tolist() == [0.5, -2]
    assert made.loss.tolist() == pytest.approx([math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(2))])
    assert made.rewards.tolist() == [2, 0, 1, 3]


@given(SCORES, st.floats(-5, 5), st.floats(-50, 50))
def test_laws(values: list[float], margin: float, shift: float) -> None:
    """One loss a pair; a pair and its swap sum to 1; a number added to all scores changes nothing; equal scores ln 2."""
    scores, pairs = tensor(*values), len(values) // 2
    margins = torch.full((pairs,), margin, dtype=torch.float64)
    made = RewardModel().score_losses(scores, margins)
    swapped = RewardModel().score_losses(scores.roll(pairs), -margins)
    shifted = RewardModel().score_losses(scores + shift, margins)
    assert made.loss.shape == made.logit.shape == (pairs,) and made.rewards.shape == scores.shape
    torch.testing.assert_close((-made.loss).exp() + (-swapped.loss).exp(), torch.ones(pairs, dtype=torch.float64))
    torch.testing.assert_close(shifted.loss, made.loss)
    equal = RewardModel().score_losses(torch.zeros_like(scores), torch.zeros_like(margins))
    assert equal.loss.tolist() == pytest.approx([math.log(2)] * pairs)


def test_each_pair_has_its_own_margin() -> None:
    """Scores of shape [pair, 1] less margins of shape [pair] would give [pair, pair]: pairs must not meet."""
    together = RewardModel().score_losses(tensor(1, 2, 3, 0, 0, 0), tensor(0, 10, -10)).loss
    for index in range(3):
        alone = RewardModel().score_losses(tensor(float(index + 1), 0), tensor(*[(0, 10, -10)[index]])).loss
        assert together[index].item() == pytest.approx(alone.item())


def test_its_gradient() -> None:
    scores = tensor(0.3, -0.2, 0.1, 0.7).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: RewardModel().score_losses(s, tensor(0.2, -0.1)).loss, scores)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("margin", [0.0, 1e12, -1e12])
def test_nothing_is_infinite_at_the_extremes(margin: float, dtype: torch.dtype) -> None:
    scores = torch.tensor([0.0, 1e4, -1e4, 0.0, -1e4, 1e4], dtype=dtype, requires_grad=True)
    made = RewardModel().score_losses(scores, torch.full((3,), margin, dtype=dtype))
    made.loss.sum().backward()
    assert scores.grad is not None
    assert all(bool(torch.isfinite(value).all()) for value in (made.loss, made.logit, scores.grad))


def test_is_of_its_own_kind() -> None:
    objective = RewardModel()
    assert isinstance(objective, ScoreObjective)
    assert not isinstance(objective, PairwiseObjective | CompletionObjective)
