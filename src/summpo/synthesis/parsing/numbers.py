"""Scores and verdicts in words: "15/18", "5 + 4 + 5 + 3 = 17", "the second". What is not plainly one is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from summpo.synthesis.parsing.parts import CRITERIA

_NUMBER = r"-?[0-9]{1,4}(?:\.[0-9]{1,4})?"
_MARKUP = r"[\s*_`]*+"
_SCORE = re.compile(
    rf"""(?:[^\w\-+.]|_)*+(?P<value>{_NUMBER})
    (?:{_MARKUP}(?:/|out\s+of(?:\s+a\s+(?:possible|total|maximum)(?:\s+of)?)?|of){_MARKUP}(?P<most>{_NUMBER}))?
    (?![^\W_]|%)(?![.,:/][0-9])(?!{_MARKUP}(?:[-,;+&/]|to\b|or\b|and\b|out\b|of\b){_MARKUP}[0-9])""",
    re.VERBOSE | re.IGNORECASE,
)
_TOTAL_WITHIN = re.compile(
    r"\b(?:total|overall|sum)\b(?:\s+score)?(?:\s+(?:of|is)\b)?\s*+[:=\-*]*+(?=\s*+[*_]*+-?[0-9])", re.IGNORECASE
)
_NAMES = "|".join(CRITERIA)
_MARK_WITHIN = re.compile(
    rf"\b(?P<name>{_NAMES})\b(?:\s+score)?\s*(?:\([0-9]\s*-\s*[0-9]\))?(?:\s+is\b)?\s*+[:=\-*(]*+(?=\s*+[*_]*+-?[0-9])",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    rf"{_MARKUP}[-,;:]{_MARKUP}(?:the\s+)?"
    r"(?:summary[\s#*_]*+(?P<named>[0-9]+|one|two|a|b)|(?P<bare>[0-9]+|first|second|both|neither))(?![^\W_])",
    re.IGNORECASE,
)
_BEST = re.compile(
    r"""[\W_]*+(?:(?:is|it\s+is|it's|would\s+be|goes\s+to|i\s+(?:choose|prefer|pick))\b[\W_]*+)?(?:the\b[\W_]*+)?
    (?:summary[\W_]*+(?P<letter>[ab])
      |(?:summary|option|version|number|no\.|nr\.)[\W_]*+(?P<named>[12]|one|two|first|second)
      |(?P<bare>[12]|first|second|1st|2nd|(?:one|two)(?=[\W_]*\Z)))
    (?![^\W_])(?![.,:/][0-9])(?:\s+(?:summary|one|version)\b)?
    (?=[\W_]*\Z|[\s*_`"')\]]*+(?:[.,;:!(\[<|-]|because\b|since\b|as\b|due\b|for\b|by\b|with\b|wins\b
      |(?:is|was)\s+(?:(?:the|clearly|slightly|much|overall)\s+)*(?:best|better|preferred|superior|stronger)\b))""",
    re.VERBOSE | re.IGNORECASE,
)
_PLACE = {"1": 1, "one": 1, "first": 1, "1st": 1, "a": 1, "2": 2, "two": 2, "second": 2, "2nd": 2, "b": 2}


@dataclass(frozen=True)
class Mark:
    """A number, and out of how many where that is said: 15/18."""

    value: float
    most: float | None = None


def first_line(text: str) -> str:
    """The first line that has a letter or a digit; empty where none has."""
    return next((line for line in text.split("\n") if any(map(str.isalnum, line))), "")


def mark_of(text: str) -> Mark | None:
    """The number at the beginning of a text, where it is one number: no range, no list, no percentage."""
    found = _SCORE.match(text)
    return Mark(float(found["value"]), None if found["most"] is None else float(found["most"])) if found else None


def total_of(text: str) -> Mark | None:
    """The total that the first line of a text gives, as a number, a sum with its result, or behind the word total."""
    line = first_line(text)
    before, equals, result = line.rpartition("=")
    if equals and "+" in before:
        return mark_of(result)
    found = mark_of(line)
    within = None if found else next(iter(_TOTAL_WITHIN.finditer(line)), None)
    return mark_of(line[within.end() :]) if within else found


def marks_within(text: str) -> list[tuple[str, Mark]]:
    """The marks that the first line of a text gives criterion by criterion: "coherence 5, consistency: 4/5 ..."."""
    line = first_line(text)
    found = ((one["name"].lower(), mark_of_listed(line[one.end() :])) for one in _MARK_WITHIN.finditer(line))
    return [(name, mark) for name, mark in found if mark]


def mark_of_listed(text: str) -> Mark | None:
    """The number at the beginning of a text that goes on with other marks: "5 + Consistency 4"."""
    return mark_of(re.split(r"[,;+|)]|\s-\s", text, maxsplit=1)[0])


def best_of(text: str) -> int | None:
    """1 or 2, where the first line of a text begins with that summary, names no other beside it and says no more of it
    than that it is best, or why."""
    line = first_line(text)
    found = _BEST.match(line)
    if found is None:
        return None
    best = _PLACE[(found["letter"] or found["named"] or found["bare"]).lower()]
    beside = _BESIDE.match(line, found.end())
    return best if beside is None or _PLACE.get((beside["named"] or beside["bare"]).lower()) == best else None
