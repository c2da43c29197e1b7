"""A budget: length is free up to a target and costs beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from summpo.errors import require_choice, require_number
from summpo.margin_rewards import UNITS, Completions


@dataclass(frozen=True)
class LengthBudget:
    """0 up to the target; beyond it minus the excess (linear), or minus excess^2 / target (quadratic).

    Both are counted in `unit`, so that a weight means as much as that of `length`.
    """

    target: float = 60.0
    """What a summary may have for nothing; > 0."""
    unit: str = "tokens"
    """tokens, words or characters. White space parts words; in scripts written without spaces a character is one."""
    shape: str = "linear"
    """Linear: minus the excess; quadratic: minus excess^2 / target."""

    less_and_more: ClassVar[tuple[str, str]] = ("longer summaries", "shorter summaries")

    def __post_init__(self) -> None:
        require_number("target", self.target, above=0)
        require_choice("unit", self.unit, UNITS)
        require_choice("shape", self.shape, ("linear", "quadratic"))

    def rewards(self, completions: Completions) -> list[float]:
        """What each completion's excess costs, at most 0."""
        excesses = [max(0.0, length - self.target) for length in completions.lengths(self.unit)]
        if self.shape == "linear":
            return [0.0 - excess for excess in excesses]
        return [0.0 - excess**2 / self.target for excess in excesses]
