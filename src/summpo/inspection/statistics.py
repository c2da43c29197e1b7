"""What may be said of any column of numbers: an interval, quantiles, how it goes with being chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tendency:
    """How a number that each completion has goes with being chosen. d = chosen minus rejected, one a pair."""

    prefers_chosen: float
    """Share of pairs with d > 0; those with d = 0 count half. 0.5 says nothing about the choice."""
    ties: float
    """Share of pairs with d = 0."""
    correlation: float | None
    """Pearson's, over all completions, between the number and being chosen (1 or 0), both centred by pair: between what
    can differ within a pair. It is mean(d) / root mean square(d), from -1 to 1; None where every d is 0."""
    mean_difference: float
    median_size: float
    """The median of |d|."""


def interval(part: int, whole: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson's), which stays within 0 and 1."""
    z = 1.96
    middle = (part + z**2 / 2) / (whole + z**2)
    half = z / (whole + z**2) * math.sqrt(part * (whole - part) / whole + z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def quantiles(values: np.ndarray) -> dict[str, float]:
    """{"min": ..., "p5": ..., "max": ...}; empty where there is no value."""
    if not len(values):
        return {}
    asked = {"min": 0, **{f"p{n}": n for n in (5, 10, 25, 50, 75, 90, 95, 99)}, "max": 100}
    found = np.percentile(values.astype(np.float64), list(asked.values()))
    return dict(zip(asked, found.tolist(), strict=True))


def tendency(differences: np.ndarray) -> Tendency:
    """How a number goes with being chosen, from its differences, chosen minus rejected, [pair].

    Centred by pair, the number is d/2 of a chosen completion and -d/2 of a rejected, being chosen 1/2 and -1/2; their
    correlation over all completions is sum(d) / sqrt(n sum(d^2)).
    """
    d = differences.astype(np.float64)
    ties = float((d == 0).mean())
    root_mean_square = math.sqrt(float((d**2).mean()))
    return Tendency(
        prefers_chosen=float((d > 0).mean()) + ties / 2,
        ties=ties,
        correlation=float(d.mean()) / root_mean_square if root_mean_square > 0 else None,
        mean_difference=float(d.mean()),
        median_size=float(np.median(np.abs(d))),
    )
