"""Win rates of verdicts on A and B: plain, and controlled for length. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RESAMPLES = 1000
PRIOR_SD = 3.0
"""Standard deviation of the normal prior on both coefficients, in logits: they stay finite where A wins every time."""
NEWTON_STEPS = 50


@dataclass(frozen=True)
class WinRate:
    """A share from 0 to 1, and its 95% bootstrap interval over documents."""

    value: float
    low: float
    high: float


def win_rate(a_wins: Float[np.ndarray, " document"], seed: int = 0) -> WinRate:
    """The mean of the verdicts: 1 for A, 0 for B, a tie half of each."""
    return _with_interval(lambda rows: float(a_wins[rows].mean()), len(a_wins), seed)


def length_controlled(
    a_wins: Float[np.ndarray, " document"],
    lengths_a: Float[np.ndarray, " document"],
    lengths_b: Float[np.ndarray, " document"],
    seed: int = 0,
) -> WinRate:
    """What the win rate would be if A and B were always of one length.

    A logistic regression of the verdicts on a constant, theta, and on tanh of the difference of lengths in units of its
    standard deviation; with the second term taken away, the rate is sigmoid(theta). Source: Length-Controlled
    AlpacaEval, 2404.04475 eq. 2, without the term for the difficulty of an instruction, which many models' verdicts on
    the same documents would be needed to learn. A weak normal prior keeps theta finite.
    """
    difference = lengths_a - lengths_b
    spread = difference.std()
    lengths = np.tanh(difference / spread) if spread > 0 else np.zeros_like(difference)
    inputs = np.stack([np.ones_like(lengths), lengths], axis=1)

    def rate(rows: np.ndarray) -> float:
        theta = fit_logistic(inputs[rows], a_wins[rows])[0]
        return float(1 / (1 + np.exp(-theta)))

    return _with_interval(rate, len(a_wins), seed)


def fit_logistic(
    inputs: Float[np.ndarray, "row input"], targets: Float[np.ndarray, " row"], prior_sd: float = PRIOR_SD
) -> Float[np.ndarray, " input"]:
    """The most probable coefficients of targets in [0, 1] under a normal prior, by Newton's method."""
    coefficients = np.zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        shares = 1 / (1 + np.exp(-inputs @ coefficients))
        gradient = inputs.T @ (targets - shares) - coefficients / prior_sd**2
        curvature = (inputs * (shares * (1 - shares))[:, None]).T @ inputs + np.eye(inputs.shape[1]) / prior_sd**2
        step = np.linalg.solve(curvature, gradient)
        coefficients = coefficients + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    return coefficients


def _with_interval(statistic: Callable[[np.ndarray], float], documents: int, seed: int) -> WinRate:
    generator = np.random.default_rng(seed)
    drawn = [statistic(generator.integers(0, documents, documents)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return WinRate(statistic(np.arange(documents)), float(low), float(high))
