"""The one exception for what the user got wrong, and the guards that raise it.

A `UserError` is one sentence that names the file, row or key and the value; the command line prints it
on stderr and exits with code 2. Everything else that is raised is a bug or a failed run.
"""

import math
from typing import Any


class UserError(Exception):
    """Something that the user can put right: one sentence, naming the file, row or key."""


def require(holds: bool, sentence: str) -> None:
    """Raises UserError(sentence) unless `holds`."""
    if not holds:
        raise UserError(sentence)


def require_number(
    key: str, value: Any, *, low: float | None = None, high: float | None = None, above: float | None = None
) -> None:
    """Guards a finite number: low <= value <= high and value > above, each bound where given.

    Raises:
        UserError: e.g. "w must be >= 0, got -0.1 (config key w)".
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
        raise UserError(f"{key.rsplit('.', 1)[-1]} must be {rule}, got {value} (config key {key})")


def require_choice(key: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Guards a value that must be one of `choices`."""
    if value not in choices:
        known = ", ".join(str(choice) for choice in choices)
        raise UserError(f"{key.rsplit('.', 1)[-1]} must be one of {known}, got {value} (config key {key})")
