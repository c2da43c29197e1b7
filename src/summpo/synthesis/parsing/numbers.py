"""Scores in words: "15/18", "5 + 4 + 5 + 3 = 17". What is not plainly one is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from summpo.synthesis.parsing.parts import CRITERIA, TOTAL

_NUMBER = r"-?[0-9]{1,4}(?:\.[0-9]{1,4})?"
_MARKUP = r"[\s*_`]*+"
_SCORE = re.compile(
    rf"""(?:[^\w\-+.]|_)*+(?P<value>{_NUMBER})
    (?:{_MARKUP}(?:points\s+)?(?:/|out\s+of(?:\s+a\s+(?:possible|total|maximum)(?:\s+of)?)?|of){_MARKUP}(?P<most>{_NUMBER}))?
    (?![^\W_]|%)(?![.,:/][0-9])(?!{_MARKUP}(?:[-,;+&/]|(?=[0-9])|to\b|or\b|and\b|out\b|of\b){_MARKUP}[0-9])""",
    re.VERBOSE | re.IGNORECASE,
)
_TOTAL_WITHIN = re.compile(
    r"\b(?:total|overall|sum)\b(?:\s+score)?(?:\s+(?:of|is)\b)?\s*+[:=\-*]*+(?=\s*+[*_]*+-?[0-9])", re.IGNORECASE
)
_TAKEN_BACK = re.compile(
    r"""~~|(?:-+>|=+>|\u2192|\u21d2)[\s*_`]*[0-9]
    |\?\s*[0-9]
    |\b(?:no|wait|actually|correct(?:ed|ion)|revised|should\sbe|make\sthat|i\smean|on\sreflection|rather|instead|previously
      |first|back|deserves|minus|less|penalty|but)\b[^.\n0-9]{0,40}\b[0-9]{1,2}\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""A number that is not the last word: 15 -> 11; 15, no, 11."""
_ADDED = re.compile(rf"{_NUMBER}(?:\s*\+\s*{_NUMBER})+(?!\s*\+|[0-9.])")
_BOX = re.compile(r"\$?\\(?:boxed|text|textbf|mathbf)\{([^{}\n]*)\}\$?")
_SCORE_WORDS = {"out", "of", "a", "possible", "total", "maximum", "points", "point", "marks", "score", "overall", "sum"}
_NAMES = "|".join(CRITERIA)
_MARK_WITHIN = re.compile(
    rf"\b(?P<name>{_NAMES})\b(?:\s+score)?\s*(?:\([0-9]\s*-\s*[0-9]\))?(?:\s+is\b)?\s*+[:=\-*(]*+(?=\s*+[*_]*+-?[0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mark:
    """A number, and out of how many where that is said: 15/18."""

    value: float
    most: float | None = None


def first_line(text: str) -> str:
    """The first line that has a letter or a digit, out of its LaTeX box; empty where none has."""
    line = next((line for line in text.split("\n") if any(map(str.isalnum, line))), "")
    return _BOX.sub(r"\1", _BOX.sub(r"\1", line)) if "\\" in line else line


def mark_of(text: str) -> Mark | None:
    """The number at the beginning of a text's first line, where it is one: no range, list or percentage."""
    line = first_line(text)
    found = None if _TAKEN_BACK.search(line) else _SCORE.match(line)
    return Mark(float(found["value"]), None if found["most"] is None else float(found["most"])) if found else None


def total_of(text: str) -> Mark | None:
    """The total that the first line of a text gives, as a number, a sum with its result, or behind the word total."""
    line = first_line(text)
    if _TAKEN_BACK.search(line):
        return None
    before, equals, result = line.rpartition("=")
    if equals and "+" in before:
        return mark_of(result)
    found = mark_of(line)
    within = None if found else next(iter(_TOTAL_WITHIN.finditer(line)), None)
    return mark_of(line[within.end() :]) if within else found


def sum_of(text: str) -> float | None:
    """What the sum comes to that the first line of a text writes out in numbers, all of it: 5 + 4 + 4 + 3."""
    line = first_line(text)
    found = _ADDED.search(line)
    if found is None or line[: found.start()].rstrip(" *_").endswith("+"):
        return None
    return sum(map(float, found[0].split("+")))


def is_bare_score(text: str) -> bool:
    """Whether the first line of a text is a total and no word more, or one out of 18; "9 people died" is none."""
    line = first_line(text)
    total = total_of(line)
    words = {word.lower() for word in re.findall(r"[^\W\d_]+", line)}
    if total is not None and total.most == TOTAL[1]:
        return True
    return words <= _SCORE_WORDS | set(CRITERIA) and (total is not None or bool(marks_within(line)))


def marks_within(text: str) -> list[tuple[str, Mark]]:
    """The marks that the first line of a text gives criterion by criterion: "coherence 5, consistency: 4/5 ..."."""
    line = first_line(text)
    found = ((one["name"].lower(), mark_of_listed(line[one.end() :])) for one in _MARK_WITHIN.finditer(line))
    return [(name, mark) for name, mark in found if mark]


def mark_of_listed(text: str) -> Mark | None:
    """The number at the beginning of a text that goes on with other marks: "5 + Consistency 4"."""
    return mark_of(re.split(r"[,;+|)]|\s-\s", text, maxsplit=1)[0])
