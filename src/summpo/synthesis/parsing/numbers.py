"""Scores and verdicts in words: "15/18", "5 + 4 + 5 + 3 = 17", "the second". What is not plainly one is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from summpo.synthesis.parsing.parts import CRITERIA, TOTAL

_NUMBER = r"-?[0-9]{1,4}(?:\.[0-9]{1,4})?"
_MARKUP = r"[\s*_`]*+"
_SCORE = re.compile(
    rf"""(?:[^\w\-+.]|_)*+(?P<value>{_NUMBER})
    (?:{_MARKUP}(?:points\s+)?(?:/|out\s+of(?:\s+a\s+(?:possible|total|maximum)(?:\s+of)?)?|of){_MARKUP}(?P<most>{_NUMBER}))?
    (?![^\W_]|%)(?![.,:/][0-9])(?!{_MARKUP}(?:[-,;+&/]|to\b|or\b|and\b|out\b|of\b){_MARKUP}[0-9])""",
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
_BESIDE = re.compile(
    r"[\s*_`\"')\]]*+(?:[-,;:|<]|\.{3})[\s*_`\"'(\[]*+(?:or\b[>\s]*)?(?:the\s+)?"
    r"(?:summary[\s#*_]*+(?P<named>[0-9]+|one|two|a|b)|(?P<bare>[0-9]+|first|second|both|neither))(?![^\W_])",
    re.IGNORECASE,
)
_BEST = re.compile(
    r"""[\W_]*+(?:(?:is|it\s+is|it's|would\s+be|goes\s+to|i\s+(?:choose|prefer|pick))\b[\W_]*+)?(?:the\b[\W_]*+)?
    (?:summary[\W_]*+(?P<letter>[ab]|ii?)
      |(?:summary|option|version|number|no\.|nr\.)[\W_]*+(?P<named>[12]|one|two|first|second)
      |(?P<alone>[ab]|ii?)(?=[\W_]*\Z)
      |(?P<bare>[12](?:\.0+(?![0-9]))?|first|second|1st|2nd|(?:one|two)(?=[\W_]*\Z)))
    (?![^\W_])(?![.,:/][0-9])(?:\s+(?:summary|one|version)\b)?
    (?=[\W_]*\Z|[\s*_`"')\]]*+(?:[.,;:!(\[<|-]|because\b|since\b|as\b|due\b|for\b|by\b|with\b|wins\b
      |(?:is|was)\s+(?:(?:the|clearly|slightly|much|overall)\s+)*(?:best|better|preferred|superior|stronger)\b))""",
    re.VERBOSE | re.IGNORECASE,
)
_OTHER_BEST = re.compile(
    r"""\b(?:summary[\W_]*(?P<named>[12]|one|two|[ab]|ii?)|the\s(?P<place>first|second)(?:\s(?:summary|one))?)\b
        (?:\s\w+){0,1}?\s+(?:is|was)\s+(?:(?!not\b)\w+\s+){0,2}?(?:best|better|preferred|preferable|superior|stronger)\b
    |\b(?:best|better|preferred|winner)(?:\s(?:summary|one|choice))?[\s*_]*(?::|\bis\b)[\W_]*
        (?:the\s)?(?:summary[\W_]*)?(?P<said>[12]|one|two|first|second|[ab](?=[\W_]*$))\b""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_LESS = re.compile(r"\b(?:than|over|not|beats|to)\s+(?:the\s+)?(?:summary\W*)?[12]\b", re.IGNORECASE)
"""The other summary, as the lesser one."""
_DECIDES = (
    r"\b(?:wins?|winner|deserves?|better|best|stronger|superior|go(?:es)?\s+with|prefer\w*|pick|choose|wait|kidding"
    r"|instead|beaten\s+by|loses\s+to)\b"
)
_IS_BETTER = r"(?:wins?|deserves?|is\s+(?:the\s+)?(?:better|best|stronger))\b"
_PLACE = {
    word: number
    for number, words in ((1, "1 one i a first 1st"), (2, "2 two ii b second 2nd"))
    for word in words.split()
}


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


def best_of(text: str) -> int | None:
    """1 or 2, where the first line of a text begins with that summary, names no other beside it and says no more of it
    than that it is best, or why."""
    line = first_line(text)
    found = _BEST.match(line)
    if found is None:
        return None
    said = found["letter"] or found["named"] or found["alone"] or found["bare"]
    best = _PLACE[said.partition(".")[0].lower()]
    beside = _BESIDE.match(line, found.end())
    return best if beside is None or _PLACE.get((beside["named"] or beside["bare"]).lower()) == best else None


def other_best_in(text: str, best: int) -> bool:
    """Whether a text says of the other summary that it is the better one, or beside the verdict that they are equal."""
    said = (found["named"] or found["place"] or found["said"] for found in _OTHER_BEST.finditer(text))
    if any(_PLACE[one.lower()] != best for one in said):
        return True
    compared = _LESS.sub(" ", text)
    other = rf"(?:summary\W*)?(?<![\w/.]){3 - best}(?![\w/%]|\.[0-9])"
    return (
        re.search(rf"(?:{_DECIDES})[^.\n]{{0,30}}?{other}|{other}\s+{_IS_BETTER}", compared, re.IGNORECASE) is not None
    )
