"""Whether two names are of one model: endpoints answer under a name with a date, a revision or a folder more."""

from __future__ import annotations

import re

_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = (
    rf"(?:{_YEAR}[-_.]?{_MONTH}(?:[-_.]?{_DAY})?|{_MONTH}[-_.]?(?:{_DAY}(?:[-_.]?{_YEAR})?|{_YEAR})|2\d{_MONTH}{_DAY}?)"
)
_REVISION = r"(?:v0[-.]\d+|v\d+:\d+|0\d\d|rev[-_]?\d+|latest|main|stable)"
_TAIL = re.compile(rf"(?:[-_@:.](?:{_DATE}|{_REVISION}|(?<=:)(?:free|nitro|floor)|(?<=@)[0-9a-f]{{7,40}}))+\Z")
_VENDOR = re.compile(r"\A(?:[a-z]+\.)+(?=[a-z])")
"""As clouds put it before a name: us.anthropic.claude-3-haiku."""
_POINT = re.compile(r"(?<=\d)\.(?=\d)|(?<=\Agpt-3)(?=5\b)")
"""The point of a version, elsewhere a hyphen (claude-3.5, claude-3-5), and which Azure leaves out of gpt-3.5."""


def is_other_model(asked: str, named: str) -> bool:
    """Whether an endpoint says that a model answered which is not the one that was asked.

    The same name with a date or a revision behind it is the same model: gpt-4o-2024-08-06 for gpt-4o. Two dates are
    two models, and gpt-4o-mini is none of gpt-4o's, nor is a preview.
    """
    (one, its_numbers), (other, other_numbers) = _parts(asked), _parts(named)
    shorter, longer = sorted((its_numbers, other_numbers), key=len)
    return bool(named.strip("/")) and not (one == other and longer.startswith(shorter))


def _parts(name: str) -> tuple[str, str]:
    """A name without its folder in one spelling; and the numbers of the dates and revisions behind it."""
    name = _POINT.sub("-", _VENDOR.sub("", name.strip("/").lower().rsplit("/", 1)[-1]))
    tail = _TAIL.search(name)
    return (name[: tail.start()], re.sub(r"\D", "", tail[0])) if tail else (name, "")
