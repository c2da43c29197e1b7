"""The one exception for what the user got wrong, and the guards that raise it.

A `UserError` is one sentence that names the file, row or key and the value; the command line prints it
on stderr and exits with code 2. Everything else that is raised is a bug or a failed run.
"""

import math
import re
import unicodedata
from typing import Any

LONGEST_WORD, LONGEST = 300, 1200
"""Characters of a word, such as a path, and of a whole sentence, that are said back."""


class UserError(Exception):
    """Something that the user can put right: one sentence, naming the file, row or key."""

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def one_line(text: str) -> str:
    """Text as a line for the screen: controls and line breaks are spelled out, and what is long loses its middle."""
    visible = "".join(char if _is_shown(char) else char.encode("unicode_escape").decode() for char in text)
    short = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: _without_middle(word[0], LONGEST_WORD), visible)
    return _without_middle(short, LONGEST)


def _is_shown(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")


def _without_middle(text: str, longest: int) -> str:
    left_out = len(text) - longest
    half = longest // 2
    # 40: what says so is as long, and a sentence within another is not cut twice
    return text if left_out <= 40 else f"{text[:half]} ... ({left_out:,} characters) ... {text[-half:]}"


class FieldError(UserError):
    """A value that cannot be used, with its config key apart: who guards it may know no more than the key's end."""

    def __init__(self, sentence: str, key: str) -> None:
        super().__init__(f"{sentence} (config key {key})")
        self.sentence, self.key = sentence, key

    def under(self, prefix: str) -> "FieldError":
        """The same of the key `prefix`.`key`."""
        return FieldError(self.sentence, f"{prefix}.{self.key}")


def require(holds: bool, sentence: str) -> None:
    """Raises UserError(sentence) unless `holds`."""
    if not holds:
        raise UserError(sentence)


def require_field(key: str, holds: bool, sentence: str) -> None:
    """Raises FieldError with the sentence and the key unless `holds`."""
    if not holds:
        raise FieldError(sentence, key)


def require_number(
    key: str, value: Any, *, low: float | None = None, high: float | None = None, above: float | None = None
) -> None:
    """Guards a finite number: low <= value <= high and value > above, each bound where given.

    Raises:
        FieldError: e.g. "w must be >= 0, got -0.1 (config key w)".
    """
    named = ((">=", low), (">", above), ("<=", high))
    rule = " and ".join(f"{sign} {bound:g}" for sign, bound in named if bound is not None) or "a number"
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if (
        not is_number
        or (low is not None and value < low)
        or (above is not None and value <= above)
        or (high is not None and value > high)
    ):
        raise FieldError(f"{key.rsplit('.', 1)[-1]} must be {rule}, got {value}", key)


def require_choice(key: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Guards a value that must be one of `choices`."""
    if value not in choices:
        known = ", ".join("null" if choice is None else str(choice) for choice in choices)
        raise FieldError(f"{key.rsplit('.', 1)[-1]} must be one of {known}, got {value}", key)
