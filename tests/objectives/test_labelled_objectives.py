"""Objectives of labelled rows: by hand, and the laws that tie them to one another and to their pairwise kin."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.objectives import CompletionObjective, LabelledObjective, PairwiseObjective, ScoreObjective
from summpo.objectives.apo_zero_unpaired import APOZeroUnpaired
from summpo.objectives.bco import BCO
from summpo.objectives.kto import KTO
from summpo.objectives.losses import apo_zero_link, labelled_reward, margin_logit

EACH: tuple[Any, ...] = (KTO, BCO, APOZeroUnpaired)
numbers = st.floats(-8, 8)
rows = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def losses(objective: Any, rewards: list[float], point: float, labels: list[bool]) -> list[float]:
    made = objective.link(torch.tensor(rewards), torch.tensor(point), torch.tensor(labels))
    return made.tolist()


def test_rewards_by_hand() -> None:
    """beta 0.5, w0 2: (0.5 * 4 - 0.6) / 2 = 0.7 and (0.5 * -2 + 0.2) / 2 = -0.4."""
    for kind in EACH:
        found = kind(beta=0.5, w0=2.0).rewards(torch.tensor([4.0, -2.0]), torch.tensor([0.6, -0.2]))
        assert found.tolist() == pytest.approx([0.7, -0.4])


def test_losses_by_hand() -> None:
    """Rewards 0.7 (good) and -0.4 (bad) against z = 0.2: distances 0.5 and 0.6 on the right side."""
    rewards, labels = [0.7, -0.4], [True, False]
    assert losses(KTO(), rewards, 0.2, labels) == pytest.approx([1 - sigmoid(0.5), 1 - sigmoid(0.6)])
    assert losses(BCO(), rewards, 0.2, labels) == pytest.approx([-math.log(sigmoid(0.5)), -math.log(sigmoid(0.6))])
    assert losses(APOZeroUnpaired(), rewards, 0.0, labels) == pytest.approx([1 - sigmoid(0.7), sigmoid(-0.4)])


def test_points_by_hand() -> None:
    """KTO: beta / w0 times the mean mismatched log-ratio, 0.25 * (2 - 4) / 2 = -0.25, not below 0. BCO: the mean reward."""
    rewards, mismatched = torch.tensor([0.7, -0.4]), torch.tensor([2.0, -4.0])
    kto = KTO(beta=0.5, w0=2.0)
    assert kto.points(rewards, mismatched).tolist() == [0.5, -1.0]
    assert kto.point_of(torch.tensor(-0.25)).item() == 0
    assert kto.point_of(torch.tensor(0.25)).item() == 0.25
    assert BCO().points(rewards, mismatched).tolist() == rewards.tolist()
    assert BCO().point_of(torch.tensor(-0.25)).item() == -0.25


@given(rows, numbers)
def test_a_row_and_the_same_with_the_other_label(each: list[tuple[float, float]], point: float) -> None:
    """Losses of KTO and APO-zero sum to 1; the probabilities of BCO's classifier do."""
    rewards = [reward for reward, _ in each]
    good, bad = [True] * len(rewards), [False] * len(rewards)
    for objective in (KTO(), APOZeroUnpaired()):
        both = zip(losses(objective, rewards, point, good), losses(objective, rewards, point, bad), strict=True)
        assert [a + b for a, b in both] == pytest.approx([1.0] * len(rewards), abs=1e-6)
    both = zip(losses(BCO(), rewards, point, good), losses(BCO(), rewards, point, bad), strict=True)
    assert [math.exp(-a) + math.exp(-b) for a, b in both] == pytest.approx([1.0] * len(rewards), abs=1e-5)


@given(numbers, st.booleans())
def test_a_policy_that_is_its_reference_without_a_margin(beta: float, label: bool) -> None:
    for objective, loss in ((KTO(), 0.5), (BCO(), math.log(2)), (APOZeroUnpaired(), 0.5)):
        reward = objective.rewards(torch.zeros(1), torch.zeros(1)).item()
        assert losses(objective, [reward], 0.0, [label]) == [pytest.approx(loss)]


@given(rows, st.floats(0.1, 3), st.floats(0.2, 3))
def test_a_pairs_labelled_rewards_differ_by_modpos_logit(
    pairs: list[tuple[float, float]], beta: float, w0: float
) -> None:
    """Each margin reward less the same mean: of the two completions of a pair the mean cancels."""
    ratios = torch.tensor(pairs, dtype=torch.float64)
    margins = ratios.flip(0).cos()
    chosen, rejected = (
        labelled_reward(ratios[:, side], margins[:, side] - margins.mean(), beta, w0) for side in (0, 1)
    )
    logit = margin_logit(beta * torch.cat([ratios[:, 0], ratios[:, 1]]), margins[:, 0] - margins[:, 1], w0)
    assert torch.allclose(chosen - rejected, logit)


@given(rows)
def test_both_rows_of_a_pair_are_apo_zero(pairs: list[tuple[float, float]]) -> None:
    chosen, rejected = (torch.tensor([pair[side] for pair in pairs]) for side in (0, 1))
    point, objective = torch.zeros(()), APOZeroUnpaired()
    good = objective.link(chosen, point, torch.ones(len(pairs), dtype=torch.bool))
    bad = objective.link(rejected, point, torch.zeros(len(pairs), dtype=torch.bool))
    assert torch.allclose(good + bad, apo_zero_link(torch.cat([chosen, rejected])), atol=1e-6)


@pytest.mark.parametrize("kind", EACH)
def test_they_are_of_no_other_kind(kind: Any) -> None:
    assert isinstance(kind(), LabelledObjective)
    assert not isinstance(kind(), PairwiseObjective | ScoreObjective | CompletionObjective)


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"beta": 0.0}, "beta must be > 0, got 0.0 (config key objective.beta)"),
        ({"w0": -1.0}, "w0 must be > 0, got -1.0 (config key objective.w0)"),
        ({"desirable_weight": 0.0}, "desirable_weight must be > 0, got 0.0 (config key objective.desirable_weight)"),
        (
            {"undesirable_weight": -2},
            "undesirable_weight must be > 0, got -2 (config key objective.undesirable_weight)",
        ),
    ],
)
def test_what_is_out_of_range_is_refused(kind: Any, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        kind(**settings)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("kind", [KTO, BCO])
def test_an_unknown_reference_point_is_refused(kind: Any) -> None:
    with pytest.raises(UserError, match="reference_point must be one of batch, running, none, got ema"):
        kind(reference_point="ema")


def test_only_kto_with_a_reference_point_reads_mismatched_completions() -> None:
    asked = [KTO(), KTO(reference_point="running"), KTO(reference_point="none"), BCO(), APOZeroUnpaired()]
    assert [objective.needs_mismatched for objective in asked] == [True, True, False, False, False]
