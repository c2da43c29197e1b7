"""Margins of pairs: by hand, and what scaling must not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.margin_rewards.constant import Constant
from summpo.margin_rewards.length import Length
from summpo.margin_rewards.margins import WeightedMargin, differences, reward_differences, spread

REWARDS = np.array([[-10.0, -20.0], [-40.0, -10.0]], np.float32)
values = st.lists(st.tuples(st.integers(-500, 500), st.integers(-500, 500)), min_size=1, max_size=8)


def margin(**settings: object) -> WeightedMargin:
    return WeightedMargin(Length(), weight=0.1, **settings)  # type: ignore[arg-type]


def test_by_hand() -> None:
    """Differences 10 and -30, with their swaps -10 and 30: the variance is (100 + 900) / 2 = 500."""
    assert spread(REWARDS) == pytest.approx(500**0.5)
    assert differences(REWARDS, margin(), 1.0).tolist() == [10, -30]
    assert differences(REWARDS, margin(scale=0.5), 1.0).tolist() == [5, -15]
    assert differences(REWARDS, margin(clip=15.0), 1.0).tolist() == [10, -15]
    assert differences(REWARDS, margin(scale=0.5, clip=6.0), 1.0).tolist() == [5, -6]
    z_scores = differences(REWARDS, margin(normalize="z_score"), spread(REWARDS))
    assert z_scores.tolist() == pytest.approx([10 / 500**0.5, -30 / 500**0.5])
    assert differences(REWARDS, margin(normalize="z_score", clip=1.0), spread(REWARDS)).tolist() == pytest.approx(
        [10 / 500**0.5, -1]
    )


@given(values, st.sampled_from(["none", "z_score"]), st.floats(0.1, 3), st.none() | st.floats(0.1, 50))
def test_a_pair_and_its_swap_have_opposite_margins(
    pairs: list[tuple[int, int]], normalize: str, scale: float, clip: float | None
) -> None:
    rewards = np.array(pairs, np.float32)
    setting = margin(normalize=normalize, scale=scale, clip=clip)
    there, back = (differences(side, setting, 7.0) for side in (rewards, rewards[:, ::-1]))
    assert np.array_equal(there, -back)
    assert there.dtype == np.float32


@given(values, st.integers(-1000, 1000))
def test_a_constant_added_to_every_reward_changes_nothing(pairs: list[tuple[int, int]], constant: int) -> None:
    rewards = np.array(pairs, np.float32)
    assert spread(rewards + constant) == pytest.approx(spread(rewards))
    assert np.array_equal(differences(rewards + constant, margin(), 1.0), differences(rewards, margin(), 1.0))


@given(values)
def test_the_spread_knows_no_chosen_and_no_documents(pairs: list[tuple[int, int]]) -> None:
    """Swapped pairs, and a number of its own added to both completions of each, leave it as it is."""
    rewards = np.array(pairs, np.float32)
    assert spread(rewards[:, ::-1]) == spread(rewards)
    assert spread(rewards + 100.0 * np.arange(len(pairs))[:, None]) == pytest.approx(spread(rewards))


def test_a_table_has_a_column_a_reward() -> None:
    margins = {"length": margin(), "half": margin(scale=0.5)}
    table = reward_differences({"length": REWARDS, "half": REWARDS}, margins, {"length": 1.0, "half": 1.0})
    assert table.tolist() == [[10, 5], [-30, -15]]
    assert table.dtype == np.float32


def test_a_reward_without_spread_has_no_z_score() -> None:
    rewards = {"constant": np.ones((2, 2), np.float32)}
    margins = {"constant": WeightedMargin(Constant(), 0.1, normalize="z_score")}
    with pytest.raises(UserError) as refusal:
        reward_differences(rewards, margins, {"constant": 0.0})
    assert str(refusal.value) == (
        "margin_reward=constant is the same for both completions of every training pair and has no z-score "
        "(config key margin_reward.constant.normalize)"
    )
