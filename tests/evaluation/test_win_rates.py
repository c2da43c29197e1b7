"""Win rates by hand, and what the control for length does to verdicts that follow length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summpo.evaluation.win_rates import fit_logistic, length_controlled, win_rate

RNG = np.random.default_rng(0)


def test_by_hand() -> None:
    """Two wins, a tie and a loss: (2 + 0.5) / 4."""
    found = win_rate(np.array([1, 1, 0.5, 0]))
    assert found.value == 0.625
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_fit_by_hand() -> None:
    """A constant alone, no prior to speak of: three wins of four give log(3)."""
    found = fit_logistic(np.ones((4, 1)), np.array([1.0, 1, 1, 0]), prior_sd=1e6)
    assert found[0] == pytest.approx(np.log(3))


def test_the_fit_is_where_the_slope_is_zero() -> None:
    inputs, targets = RNG.normal(size=(50, 2)), RNG.random(50)
    found = fit_logistic(inputs, targets)

    def log_posterior(coefficients: np.ndarray) -> float:
        logits = inputs @ coefficients
        return float(targets @ logits - np.logaddexp(0, logits).sum() - (coefficients**2).sum() / (2 * 3.0**2))

    for nudge in (1e-3, -1e-3):
        for axis in range(2):
            moved = found.copy()
            moved[axis] += nudge
            assert log_posterior(moved) < log_posterior(found)


def test_verdicts_that_follow_length_alone_are_worth_a_half() -> None:
    """The longer wins always and A is mostly longer: 75% plain, about a half at equal lengths."""
    longer = np.concatenate([RNG.uniform(5, 60, 300), RNG.uniform(-60, -5, 100)])
    verdicts = (longer > 0).astype(float)
    lengths_b = np.full(400, 100.0)
    assert win_rate(verdicts).value == 0.75
    found = length_controlled(verdicts, lengths_b + longer, lengths_b)
    assert abs(found.value - 0.5) < 0.15
    assert found.low <= found.value <= found.high


def test_verdicts_that_do_not_follow_length_stay_as_they_are() -> None:
    verdicts = (RNG.random(2000) < 0.7).astype(float)
    lengths = RNG.uniform(20, 100, (2, 2000))
    assert length_controlled(verdicts, *lengths).value == pytest.approx(win_rate(verdicts).value, abs=0.02)


def test_equal_lengths_everywhere() -> None:
    verdicts, lengths = np.array([1.0] * 30 + [0.0] * 10), np.full(40, 50.0)
    assert length_controlled(verdicts, lengths, lengths).value == pytest.approx(0.75, abs=0.01)


def test_a_model_that_always_wins() -> None:
    found = length_controlled(np.ones(20), RNG.uniform(10, 20, 20), np.full(20, 15.0))
    assert 0.9 < found.value < 1


@settings(max_examples=10)  # each fits two thousand times
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=20), st.integers(0, 5))
def test_swapping_a_and_b_mirrors_both(verdicts: list[float], seed: int) -> None:
    a_wins = np.array(verdicts)
    lengths = np.random.default_rng(seed).uniform(10, 90, (2, len(verdicts)))
    there, back = length_controlled(a_wins, *lengths), length_controlled(1 - a_wins, *lengths[::-1])
    assert there.value == pytest.approx(1 - back.value, abs=1e-6)
    assert win_rate(a_wins).value == pytest.approx(1 - win_rate(1 - a_wins).value)
