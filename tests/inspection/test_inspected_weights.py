"""What a w weighs and which are worth trying, worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.inspection.weights import (
    break_even_of_w,
    points,
    rewards_of,
    rounded,
    suggested_weights,
    sweep_of,
    weighed,
    weighed_sum,
    weights_by_size,
)
from summpo.margin_rewards.break_even import BreakEven, break_even


class TestWeights:
    def test_weighed(self) -> None:
        """Nats 0.5, -2, 3, -1, -4 against 1: |.| beyond it 3 times of 5, twice against the choice; -1 is not beyond."""
        found = weighed(0.1, np.array([0.5, -2.0, 3.0, -1.0, -4.0]), 1.0)
        assert (found.w, found.beyond, found.against) == (0.1, 0.6, 0.4)
        assert (found.size["p50"], found.size["max"], found.signed["min"]) == (2.0, 4.0, -4.0)

    def test_suggested(self) -> None:
        """|m| of 10, 20 and 30 (0 does not count): median 20, so 1 nat is reached at 0.05 and a tenth at 0.005.

        Between them 0.005 * 10^(1/3) = 0.0108 and 0.0232.
        """
        margins = np.array([10.0, -20.0, 0.0, 30.0, 0.0])
        assert weights_by_size(margins, 1.0) == (0.005, 0.01, 0.02, 0.05)
        assert weights_by_size(margins, 2.0) == (0.01, 0.02, 0.05, 0.1)
        assert weights_by_size(np.zeros(3), 1.0) == ()

    def test_suggested_around_the_break_even_weight(self) -> None:
        """Or, where that is no number above 0, by size: 20 tokens of the median pair."""
        margins = np.array([-20.0, -20.0, 20.0])
        at = break_even(margins)  # ln 2 / 20
        assert suggested_weights(margins, 1.0, at) == (0.017, 0.035, 0.069, 0.14)
        for none in (break_even(-margins), break_even(abs(margins)), break_even(-abs(margins))):
            assert suggested_weights(margins, 1.0, none) == (0.005, 0.01, 0.02, 0.05)

    @given(st.floats(1e-6, 1e6), st.integers(-6, 6))
    def test_rounding_is_near_and_the_same_at_every_scale(self, value: float, power: int) -> None:
        assert 0.8 < rounded(value) / value < 1.25
        assert rounded(rounded(value)) == rounded(value)
        assert rounded(3 * 10.0**power) == pytest.approx(3 * 10.0**power)

    def test_w_sweeps_what_follows_it_and_leaves_the_others(self) -> None:
        """Margins (20, 1) and (-20, 3): the second has weight 0.5 of its own. At w = 0.05: 1.5 and 0.5.

        20 sigma(20 w + 0.5) = 20 sigma(-20 w + 1.5) at w = 1/40.
        """
        margins, weights = np.array([[20.0, 1.0], [-20.0, 3.0]], np.float32), [None, 0.5]
        assert weighed_sum(margins, weights, 0.05) == pytest.approx([1.5, 0.5])
        at = break_even_of_w(margins, weights)
        assert at is not None and at.weight == pytest.approx(1 / 40)
        sweep = sweep_of(margins, weights, 1.0, at)
        assert sweep == (0.0, 0.013, 0.025, 0.05, 0.1)
        found = points(margins, weights, 0.03, 1.0, sweep)
        assert [point.w for point in found] == [0.0, 0.013, 0.025, 0.03, 0.05, 0.1]
        assert found[0].size["max"] == 1.5  # the second's own

    def test_without_anything_for_w_to_weigh(self) -> None:
        margins = np.array([[2.0], [4.0]], np.float32)
        assert break_even_of_w(margins, [0.5]) is None and sweep_of(margins, [0.5], 1.0, None) == ()
        assert [(at.w, at.size["max"]) for at in points(margins, [0.5], 0.0, 1.0, ())] == [(0.0, 2.0)]
        assert points(np.zeros((2, 0)), [], 0.3, 1.0, ()) == () == sweep_of(np.zeros((2, 0)), [], 1.0, None)
        assert break_even_of_w(np.zeros((2, 0)), []) is None
        raised = break_even_of_w(margins, [None])
        assert raised == BreakEven(None, None, "raised")
        sweep = sweep_of(margins, [None], 1.0, raised)
        assert [at.w for at in points(margins, [None], 0.0, 1.0, sweep)] == [0.03, 0.07, 0.15, 0.3]

    @given(st.lists(st.floats(0.5, 500), min_size=1), st.floats(0.1, 10))
    def test_the_median_pair_weighs_from_a_tenth_to_a_typical_margin(self, sizes: list[float], typical: float) -> None:
        margins = np.array(sizes)
        suggested = weights_by_size(margins, typical)
        assert suggested[0] * np.median(margins) / typical == pytest.approx(0.1, rel=0.25)
        assert suggested[-1] * np.median(margins) / typical == pytest.approx(1, rel=0.25)
        assert list(suggested) == sorted(suggested) and len(suggested) == 4

    def test_each_reward_alone(self) -> None:
        """Columns (20, -20) and (1, 3): the first says nothing of the choice, the second is always higher."""
        found = rewards_of(np.array([[20.0, 1.0], [-20.0, 3.0]], np.float32), {"length": None, "score": 0.5}, 1.0)
        assert [(name, each.weight, each.tendency.prefers_chosen) for name, each in found.items()] == [
            ("length", None, 0.5),
            ("score", 0.5, 1.0),
        ]
        assert found["length"].size["max"] == 20 and found["score"].size["p50"] == 2
        assert found["length"].break_even.weight == pytest.approx(0, abs=1e-9)
        assert found["score"].break_even.without == "raised"
