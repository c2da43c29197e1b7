"""The stages between documents and pairs: how many came to each, and why some went no further. Counts alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class FunnelStage:
    """One stage of the funnel from documents to pairs: how many came, and how many it rejected."""

    name: str
    """What is said of those that pass: selected, answered, parsed, kept ..."""
    came: int
    rejected: tuple[tuple[str, int], ...] = ()
    """(reason, how many), in the order in which they are to be told."""

    @property
    def passed(self) -> int:
        """How many went on."""
        return self.came - sum(count for _, count in self.rejected)

    def as_record(self) -> dict[str, Any]:
        """For a manifest."""
        return {"stage": self.name, "came": self.came, "passed": self.passed, "rejected": dict(self.rejected)}


def stage(name: str, came: int, reasons: Iterable[str], order: Sequence[str] = ()) -> FunnelStage:
    """A stage from a reason for each that it rejected.

    Args:
        order: the reasons that are told first, in this order; the others follow, the commonest first.
    """
    counted = Counter(reasons)
    place = {reason: position for position, reason in enumerate(order)}
    ranked = sorted(counted, key=lambda reason: (place.get(reason, len(place)), -counted[reason], reason))
    return FunnelStage(name, came, tuple((reason, counted[reason]) for reason in ranked))


def require_chain(stages: Sequence[FunnelStage]) -> None:
    """Asserts that what passes a stage is what comes to the next: a funnel that loses count is a bug.

    Raises:
        ValueError: it is not.
    """
    for one, after in pairwise(stages):
        if one.passed != after.came:
            raise ValueError(f"{one.passed} passed {one.name} and {after.came} came to {after.name}")
