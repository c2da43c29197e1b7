"""Whether two names are of one model: endpoints answer under a name with a date, a revision or a folder more."""

from __future__ import annotations

import re

_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = (
    rf"(?:{_YEAR}[-_.]?{_MONTH}(?:[-_.]?{_DAY})?|{_MONTH}[-_.]?(?:{_DAY}(?:[-_.]?{_YEAR})?|{_YEAR})|2\d{_MONTH}{_DAY}?)"
)
_REVISION = r"(?:v\d+(?:[-.:]\d+)*|0\d\d|r(?:ev)?[-_]?\d+|latest|main|stable)"
_TAIL = re.compile(rf"(?:[-_@:.](?:{_DATE}|{_REVISION}|(?<=:)(?:free|nitro|floor)|(?<=@)[0-9a-f]{{7,40}}))+")
_LATEST = re.compile(r"[-:]latest\Z")
_VENDOR = re.compile(r"\A(?:[a-z]+\.)+(?=[a-z])")
"""As clouds put it before a name: us.anthropic.claude-3-haiku."""
_POINT = re.compile(r"(?<=\d)\.(?=\d)|(?<=\Agpt-3)(?=5\b)")
"""Of a version, which may be a hyphen elsewhere (claude-3.5, claude-3-5), and which Azure leaves out of gpt-3.5."""


def is_other_model(asked: str, named: str) -> bool:
    """Whether an endpoint says that a model answered which is not the one that was asked.

    The same name with a date or a revision behind it is the same model: gpt-4o-2024-08-06 for gpt-4o. Two dates are
    two models, and gpt-4o-mini is none of gpt-4o's, nor is a preview.
    """
    shorter, longer = sorted((_uniform(asked), _uniform(named)), key=len)
    is_same = longer.startswith(shorter) and (shorter == longer or _TAIL.fullmatch(longer[len(shorter) :]) is not None)
    return bool(named.strip("/")) and not is_same


def _uniform(name: str) -> str:
    """A name without its folder, in one spelling."""
    return _POINT.sub("-", _VENDOR.sub("", _LATEST.sub("", name.strip("/").lower().rsplit("/", 1)[-1])))
