"""The same for every completion: teaches nothing, and shows what no margin does."""

from __future__ import annotations

from dataclasses import dataclass

from summpo.errors import require_number
from summpo.margin_rewards import Completions


@dataclass(frozen=True)
class Constant:
    """One number. It cancels between chosen and rejected, so that a run with it is the run without a margin."""

    value: float = 1.0
    """What every completion gets."""

    def __post_init__(self) -> None:
        require_number("value", self.value)

    def rewards(self, completions: Completions) -> list[float]:
        """`value` for each completion."""
        return [float(self.value)] * len(completions.texts)
