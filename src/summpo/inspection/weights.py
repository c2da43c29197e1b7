"""What a w weighs: the margins against what training makes of the choice, and the weights worth trying."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from summpo.inspection.statistics import Tendency, quantiles, tendency
from summpo.margin_rewards.break_even import BreakEven, break_even

SWEEP = (0.1, 1.0)
"""From where to where a sweep of w goes: the median pair's |w margin| in typical reward margins.

What beta * D comes to is not known before training, so that a typical reward margin is the user's to set.

At 0.1 the margin is a tenth of what training learns from the choice and moves little; at 1 it is as much. In the study
experiments/tldr_length_penalty.md the median was 12 tokens and the reward margin about 1 nat: summaries were a quarter
shorter at 0.3 (w = 0.025), half as long at 0.6 and two thirds shorter at 1.2.
"""
SWEEP_POINTS = 4
ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
"""The leading digits of a suggested weight."""


@dataclass(frozen=True)
class Weighed:
    """The weighed margins of all pairs, in nats, against what training makes of the choice."""

    w: float
    size: dict[str, float]
    """Quantiles of |w margin|."""
    signed: dict[str, float]
    """Quantiles of w margin; above 0 it speaks for the chosen completion, and the policy has more to learn."""
    beyond: float
    """Share of pairs whose |w margin| is more than the typical reward margin."""
    against: float
    """Share of pairs in which it speaks for the rejected completion by more than that."""


@dataclass(frozen=True)
class Reward:
    """A margin reward on the data, scaled and clipped as training sees it, not weighed."""

    weight: float | None
    """Nats a unit; None where it is w."""
    tendency: Tendency
    size: dict[str, float]
    """Quantiles of |margin|, in the reward's own unit."""
    break_even: BreakEven
    """The reward's own break-even weight: above it training raises the reward, below it lowers it."""
    suggested: tuple[float, ...]
    """Weights for it alone, 0 left out; none where it is the same for both completions of every pair."""


def weighed(w: float, margins: np.ndarray, typical: float) -> Weighed:
    """Weighed margins, in nats, [pair], against a typical reward margin. `w` is what they were weighed with."""
    size = np.abs(margins)
    return Weighed(
        w=w,
        size=quantiles(size),
        signed=quantiles(margins),
        beyond=float((size > typical).mean()),
        against=float((margins < -typical).mean()),
    )


def suggested_weights(margins: np.ndarray, typical: float, at: BreakEven) -> tuple[float, ...]:
    """Weights for a sweep: half the break-even weight to four times it, or where that is no number above 0, by size."""
    return at.sweep[1:] or weights_by_size(margins, typical)


def weights_by_size(margins: np.ndarray, typical: float) -> tuple[float, ...]:
    """Weights for a sweep: the median |weight margin| goes from 0.1 to 1 typical reward margin (`SWEEP` says why).

    Log-spaced and rounded. Pairs whose margin is 0 do not count in the median, because no weight changes them.

    Args:
        margins: of each pair, unweighed.
        typical: a typical reward margin, in nats.

    Returns:
        Ascending; none where every margin is 0.
    """
    size = np.abs(margins[margins != 0])
    if not len(size):
        return ()
    unit = typical / float(np.median(size))
    return tuple(dict.fromkeys(rounded(share * unit) for share in np.geomspace(*SWEEP, SWEEP_POINTS)))


def rounded(value: float) -> float:
    """A positive number to the nearest 1, 1.5, 2, 3, 4, 5 or 7 times a power of ten, by ratio."""
    power = math.floor(math.log10(value))
    digits = value / 10**power
    nearest = min(ROUND, key=lambda candidate: abs(math.log(candidate / digits)))
    return float(f"{nearest * 10.0**power:.2g}")


def rewards_of(
    margins: np.ndarray, weights: Mapping[str, float | None], typical: float, w0: float = 1.0
) -> dict[str, Reward]:
    """Each margin reward alone, from its own column of the margins, [pair, reward]."""
    found = {}
    for (name, weight), m in zip(weights.items(), margins.T, strict=True):
        at = break_even(m, w0=w0)
        found[name] = Reward(weight, tendency(m), quantiles(abs(m)), at, suggested_weights(m, typical, at))
    return found


def weighed_sum(margins: np.ndarray, weights: Sequence[float | None], w: float) -> np.ndarray:
    """Nats, float64 [pair]: the margins, [pair, reward], each times its weight, which is w where it is None."""
    return margins.astype(np.float64) @ np.array([w if weight is None else weight for weight in weights], np.float64)


def points(
    margins: np.ndarray, weights: Sequence[float | None], w: float, typical: float, sweep: Sequence[float]
) -> tuple[Weighed, ...]:
    """The weighed sum of all margins at the w that is set and at those of the suggested sweep, by w.

    w = 0 is among them where a margin has a weight of its own, which it keeps there.
    """
    if not weights:
        return ()
    fixed = any(weight is not None for weight in weights)
    asked = {w} if w > 0 or fixed else set[float]()
    if any(weight is None for weight in weights):
        asked |= {point for point in sweep if point > 0 or fixed}
    return tuple(weighed(point, weighed_sum(margins, weights, point), typical) for point in sorted(asked))


def break_even_of_w(margins: np.ndarray, weights: Sequence[float | None], w0: float = 1.0) -> BreakEven | None:
    """The break-even w, for the sum of the margins that it weighs beside those of fixed weights; None without such."""
    if all(weight is not None for weight in weights):
        return None
    swept = [1.0 if weight is None else 0.0 for weight in weights]
    return break_even(weighed_sum(margins, swept, 0.0), weighed_sum(margins, weights, 0.0), w0)


def sweep_of(
    margins: np.ndarray, weights: Sequence[float | None], typical: float, at: BreakEven | None
) -> tuple[float, ...]:
    """Values of w to try, 0 first, for the sum of the margins that w weighs; none where it weighs nothing.

    Args:
        at: the break-even weight of w.
    """
    if at is None:
        return ()
    swept = [1.0 if weight is None else 0.0 for weight in weights]
    suggested = suggested_weights(weighed_sum(margins, swept, 0.0), typical, at)
    return (0.0, *suggested) if suggested else ()
