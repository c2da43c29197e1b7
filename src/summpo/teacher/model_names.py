"""Whether two names are of one model: endpoints answer under a name with a date, a revision or a folder more."""

from __future__ import annotations

import re

_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = (
    rf"(?:{_YEAR}[-_.]?{_MONTH}(?:[-_.]?{_DAY})?|{_MONTH}[-_.]?{_DAY}(?:[-_.]?{_YEAR})?|2\d{_MONTH})"
    r"(?:[-_](?:preview|exp))?"
)
_REVISION = r"(?:v\d+(?:[.:]\d+)*|0\d\d|r(?:ev)?[-_]?\d+|latest|main|stable)"
_TAIL = re.compile(
    rf"(?:[-_@:.](?:(?:(?:preview|exp)[-_])?{_DATE}|{_REVISION}|(?<=:)(?:free|nitro|floor)|(?<=@)[0-9a-f]{{7,40}}))+"
)
_LATEST = re.compile(r"[-:]latest\Z")


def is_other_model(asked: str, named: str) -> bool:
    """Whether an endpoint says that a model answered which is not the one that was asked.

    The same name with a date or a revision behind it is the same model: gpt-4o-2024-08-06 for gpt-4o. Two dates are
    two models, and gpt-4o-mini is none of gpt-4o's.
    """
    one, other = (_LATEST.sub("", name.strip("/").lower().rsplit("/", 1)[-1]) for name in (asked, named))
    shorter, longer = sorted((one, other), key=len)
    is_same = longer.startswith(shorter) and (shorter == longer or _TAIL.fullmatch(longer[len(shorter) :]) is not None)
    return bool(other) and not is_same
