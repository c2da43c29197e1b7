"""The front between length and quality: which runs nothing beats, and how much ground they cover together.

Shorter is better and higher quality is better. Pure functions of points; knows no run, file or metric name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from summpo.errors import require


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One run as a point. `w` names it and takes no part in the arithmetic; None for a run without one."""

    w: float | None
    length: float
    quality: float

    def __post_init__(self) -> None:
        finite = math.isfinite(self.length) and math.isfinite(self.quality)
        require(finite, f"length and quality of w={self.w} must be finite, got {self.length} and {self.quality}")


def dominates(better: FrontPoint, worse: FrontPoint) -> bool:
    """True where `better` is at least as short and at least as good, and strictly so in one of the two."""
    at_least = better.length <= worse.length and better.quality >= worse.quality
    return at_least and (better.length < worse.length or better.quality > worse.quality)


def pareto(points: Sequence[FrontPoint]) -> list[bool]:
    """For each point, whether no other point dominates it. Points that agree in both are on the front together."""
    return [not any(dominates(other, point) for other in points) for point in points]


def hypervolume(points: Sequence[FrontPoint], reference_point: tuple[float, float]) -> float:
    """The area that the points dominate, up to the reference point (length, quality): unit of length * unit of quality.

    A larger area is a better front. It depends on the reference point, which should be worse than every point worth
    counting (longer and of lower quality): a point that is not better in both adds nothing. Compare areas only under
    one reference point.
    """
    longest, floor = reference_point
    front = sorted((point for point, best in zip(points, pareto(points), strict=True) if best), key=lambda p: p.length)
    counted = [point for point in front if point.length < longest and point.quality > floor]
    # Along the front quality rises with length: each point rules the strip from its length to the next one's.
    lengths = [*(point.length for point in counted), longest]
    return math.fsum(
        (end - point.length) * (point.quality - floor) for point, end in zip(counted, lengths[1:], strict=True)
    )
