"""Intervals, quantiles and tendencies, worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.inspection.statistics import interval, quantiles, tendency


def test_interval() -> None:
    """Wilson's of 8 of 10: middle (8 + 1.9208) / 13.8416 = 0.7167, half 1.96 / 13.8416 sqrt(1.6 + 0.9604) = 0.2266."""
    assert interval(8, 10) == pytest.approx((0.4901, 0.9433), abs=1e-4)
    assert interval(0, 5)[0] == 0 and interval(5, 5)[1] == 1


def test_quantiles() -> None:
    found = quantiles(np.arange(101))
    assert (found["min"], found["p5"], found["p50"], found["p99"], found["max"]) == (0, 5, 50, 99, 100)
    assert quantiles(np.zeros(0)) == {}


class TestTendency:
    def test_by_hand(self) -> None:
        """d = 3, -1, 0, 2: mean 1, root mean square sqrt(14 / 4); two of four above 0 and one tied."""
        found = tendency(np.array([3, -1, 0, 2]))
        assert found.prefers_chosen == (2 + 0.5) / 4
        assert (found.ties, found.mean_difference, found.median_size) == (0.25, 1.0, 1.5)
        assert found.correlation == pytest.approx(1 / np.sqrt(3.5))

    def test_nothing_to_correlate(self) -> None:
        found = tendency(np.zeros(3))
        assert (found.prefers_chosen, found.ties, found.correlation) == (0.5, 1.0, None)

    @given(st.lists(st.integers(-50, 50), min_size=1).filter(any))
    def test_is_pearsons_over_completions_centred_by_pair_and_a_swap_flips_it(self, differences: list[int]) -> None:
        d = np.array(differences, np.float64)
        values, chosen = np.concatenate([d / 2, -d / 2]), np.repeat([0.5, -0.5], len(d))
        found, other = tendency(d), tendency(-d)
        assert found.correlation == pytest.approx(np.corrcoef(values, chosen)[0, 1])
        assert other.correlation == pytest.approx(-found.correlation)  # type: ignore[operator]
        assert other.prefers_chosen == pytest.approx(1 - found.prefers_chosen)
