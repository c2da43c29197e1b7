"""Intervals and p-values: small cases counted out, exact against drawn, and what they say where there is no difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summpo.evaluation.resampling import mean_intervals, sign_flip_p_values
from summpo.evaluation.scores import intervals_of

differences = st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=1, max_size=10)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


class TestSignFlips:
    @pytest.mark.parametrize(
        ("values", "p"),
        [
            ((1, 2, 3), 2 / 8),  # sums of the 8 ways: 6, 4, 2, 0, 0, -2, -4, -6; two as far as 6
            ((1, 2, -3), 1.0),  # the sum is 0: every way is as far
            ((1, 2, -1), 6 / 8),  # 2 against 4, 2, 2, 0, 0, -2, -2, -4: six as far
            ((5,), 1.0),  # of one document either sign is as far
            ((0, 0, 0), 1.0),
            ((1,) * 10, 2 / 1024),
        ],
    )
    def test_by_counting(self, values: tuple[float, ...], p: float) -> None:
        assert sign_flip_p_values(column(*values)) == [pytest.approx(p)]

    def test_drawn_ways_come_near_all_ways(self) -> None:
        """12 documents have 4096 ways: all of them, and 2000 drawn of them; the standard error of a share is 0.011."""
        generator = np.random.default_rng(1)
        values = generator.normal(0.3, 1, (12, 5))
        exact, drawn = sign_flip_p_values(values), sign_flip_p_values(values, permutations=2000)
        assert drawn != exact and drawn == pytest.approx(exact, abs=0.045)

    def test_many_documents(self) -> None:
        """A clear difference of 200 documents has the least p that 9999 draws can show, noise has none."""
        generator = np.random.default_rng(2)
        noise = generator.normal(0, 1, 200)
        clear, none = sign_flip_p_values(np.stack([noise + 1, noise - noise.mean()], axis=1))
        assert clear == pytest.approx(1 / 10000) and none == 1.0

    def test_no_difference_has_small_p_as_often_as_it_says(self) -> None:
        """Of 400 columns of noise about a tenth has p <= 0.1: 40 with a standard error of 6."""
        p = sign_flip_p_values(np.random.default_rng(3).normal(0, 1, (12, 400)))
        assert 20 <= sum(value <= 0.1 for value in p) <= 60

    @settings(max_examples=30)
    @given(differences)
    def test_which_is_first_does_not_matter(self, values: list[float]) -> None:
        (p,) = sign_flip_p_values(column(*values))
        assert sign_flip_p_values(-column(*values)) == [p] and 0 < p <= 1


class TestIntervals:
    @settings(max_examples=30)
    @given(differences)
    def test_lie_within_the_values_and_turn_with_them(self, values: list[float]) -> None:
        ((low, high),) = mean_intervals(column(*values), resamples=50)
        assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
        assert mean_intervals(-column(*values), resamples=50) == [pytest.approx((-high, -low), abs=1e-9)]

    def test_a_column_has_its_interval_whatever_stands_beside_it(self) -> None:
        generator = np.random.default_rng(4)
        one, other = generator.normal(size=30), generator.normal(size=30)
        both = intervals_of({"a": one.tolist(), "b": other.tolist()})
        assert list(both) == ["a", "b"]
        assert both["b"] == pytest.approx(intervals_of({"b": other.tolist()})["b"])
