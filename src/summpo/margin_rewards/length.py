"""Minus the length: what a reader pays for a summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from summpo.errors import require_choice
from summpo.margin_rewards import UNITS, Completions


@dataclass(frozen=True)
class Length:
    """Minus the number of tokens, words or characters of the completion's text.

    Tokens are those of the text alone, as in the MODPO authors' length example: no special tokens, no EOS.
    """

    unit: str = "tokens"
    """tokens, words or characters. White space parts words; in scripts written without spaces a character is one."""

    less_and_more: ClassVar[tuple[str, str]] = ("longer summaries", "shorter summaries")

    def __post_init__(self) -> None:
        require_choice("unit", self.unit, UNITS)

    def rewards(self, completions: Completions) -> list[float]:
        """Minus each completion's length in `unit`."""
        return [-float(length) for length in completions.lengths(self.unit)]
