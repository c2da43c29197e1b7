"""The labels of an answer's parts, as models write them: "Summary 1:", "**Total score** (4-18) -", "## The best summary".

Knows one line at a time; which of two readings the lines around it leave is said in `lines`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from summpo.synthesis.parsing.numbers import best_of, mark_of, marks_within, total_of
from summpo.synthesis.parsing.parts import CRITERIA, Kind

_PREFIX = r"(?P<prefix>[\W_]*+(?:(?:[0-9]{1,2}|[a-gA-G])[.):](?=[\s*_#>-])[\W_]*+)?)"
"""Bullets, headings, emphasis, emoji, an item's number: whatever is no letter."""
_REFERENCE = (
    r"(?:the[\s_]+)?(?:summary[\s_]*(?:\#|no\.|number|nr\.)?[\s_*(\[]*+(?P<number>[0-9]{1,2}|one|two|three|a|b|c)(?![^\W_])[)\]]?"
    r"|(?P<place>first|second|third|1st|2nd|3rd)[\s_]+summary(?![^\W_]))(?:'s)?"
)
_SCORE = r"(?:the[\s_]+)?(?:(?:overall|total|final|combined|average)[\s_]*)*(?:scores?)"
_WEAK_SCORE = r"(?:the[\s_]+)?(?:(?:overall|total|final|combined)[\s_]*)*(?:points|ratings?|marks|total|sum|overall)"
_EXPLANATION = (
    r"(?:the[\s_]+)?(?:(?:brief|short|score|overall|total)[\s_]+)*(?P<reason>explanations?|rationale|"
    r"justification|reasoning|reasons?|comments?|feedback|critique)(?:[\s_]+(?:of|for)[\s_]+(?:(?:the|this|its|total|overall)[\s_]+)*(?:scores?|ratings?))?"
)
_ASIDE = (
    r"(?:(?:overall|total)[\s_]+)?(?:evaluations?|assessments?|scoring|scores|judge?ments?|criteria|ratings?|analysis)"
)
_TEXT = r"(?:text|content|version)"
_BEST = (
    r"(?:the[\s_]+)?(?:(?:overall|final|my)[\s_]+)*(?:(?:best|better|preferred|winning|chosen)[\s_]*"
    r"(?:overall[\s_]+)?(?:summary|one|version|choice|option)(?:[\s_]+of[\s_]+the[\s_]+two)?|winner|verdict)"
)
_WEAK_BEST = r"(?:the[\s_]+)?(?:(?:overall|final|my)[\s_]+)*(?:best|better|preferred|preference|choice|pick)(?:[\s_]+of[\s_]+the[\s_]+two)?"
_CRITERION = rf"(?P<criterion>{'|'.join(CRITERIA)})(?:[\s_]+score)?"

_FILL = r"(?:[^\w:=.(\[>-]|_)*+"
_END = (
    rf"(?P<before>{_FILL}(?:[(\[][^()\[\]\n]{{0,80}}[)\]]{_FILL})?)(?P<mark>[:=>]+|-+(?=[\s*_]|\Z)|\.(?=[\s*_]*\Z)|\Z)"
)
_END_OR_IS = rf"(?:[\s_*]+is\b(?=[\s:*_])|{_END})"
_END_OR_NUMBER = rf"(?:[\s_*]+is\b(?=[\s:*_])|[\s_*]+(?=[0-9]{{1,2}}(?:[\s/.*]|\Z))|{_END})"
_ABOUT = rf"(?:[\s_]*(?:(?:of|for|on)[\s_]+|[-(,][\s_]*)?(?:{_REFERENCE}|(?P<bare>[12])(?![^\W_]|[/.+-]|\s*(?:to|out|of)\s*[0-9])))?"
_AFTER = r"(?:[\s_]*[-:][\s_*]*|[\s_]+)"


def _label(words: str, end: str = _END) -> re.Pattern[str]:
    return re.compile(_PREFIX + words + end, re.IGNORECASE)


_WEAK = {"weak_score": "score", "weak_best": "best"}
_LABELS: list[tuple[str, re.Pattern[str]]] = [
    *(
        (kind, _label(f"{_REFERENCE}{_AFTER}(?:{words})", end))
        for kind, words, end in (
            ("score", _SCORE, _END_OR_NUMBER),
            ("weak_score", _WEAK_SCORE, _END),
            ("explanation", _EXPLANATION, _END),
            ("aside", _ASIDE, _END),
            ("summary", _TEXT, _END),
        )
    ),
    ("summary", _label(_REFERENCE)),
    ("best", _label(_BEST, _END_OR_IS)),
    ("score", _label(_SCORE + _ABOUT, _END_OR_NUMBER)),
    ("explanation", _label(_EXPLANATION + _ABOUT)),
    ("aside", _label(_ASIDE + _ABOUT)),
    ("criterion", re.compile(_PREFIX + _CRITERION + rf"(?P<before>{_FILL}(?:[(\[][^()\[\]\n]{{0,80}}[)\]]{_FILL})?)(?P<mark>[:=]+|-+(?=[\s*_])|(?=[0-9]))", re.IGNORECASE)),
    ("weak_score", _label(_WEAK_SCORE + _ABOUT)),
    ("weak_best", _label(_WEAK_BEST, _END_OR_IS)),
]  # fmt: skip
_EMPHASIS = re.compile(r"(\*{1,3}|_{1,3}|`+)[\s\"'(\[]*\Z")
_NUMBERS = {"one": 1, "a": 1, "first": 1, "1st": 1, "two": 2, "b": 2, "second": 2, "2nd": 2, "three": 3, "c": 3, "third": 3, "3rd": 3}  # fmt: skip


@dataclass(frozen=True)
class Label:
    """What a line begins with."""

    kind: Kind
    number: int | None
    """Of the summary that it is about, where it says so."""
    end: int
    """Where in the line its content begins."""
    name: str = ""
    """Which criterion."""
    may_head: bool = False
    """Whether a summary may well have a heading of that name itself: Rationale, Evaluation."""


def label_of(line: str) -> Label | None:
    """The label that a line begins with, if any. A word that is often no label must be followed by what it announces.

    Args:
        line: in its `usual` characters.
    """
    for kind, pattern in _LABELS:
        found = pattern.match(line)
        if found is None or _is_key(found):
            continue
        groups = found.groupdict()
        number, name = _number(groups), (groups.get("criterion") or "").lower()
        reason = (groups.get("reason") or "").lower()
        may_head = number is None and (kind == "aside" or not reason.startswith("expl") and kind == "explanation")
        label = Label(_kind(kind), number, _content_at(line, found), name, may_head)
        rest = line[label.end :]
        if groups["prefix"].endswith("</"):
            return Label("close", None, len(line))
        if not _holds(kind, rest):
            continue
        return _within(label, line) if kind == "summary" else label
    return None


def _kind(kind: str) -> Kind:
    named = _WEAK.get(kind, kind)
    return named  # type: ignore[return-value]


def _is_key(found: re.Match[str]) -> bool:
    """Whether it is a key of JSON, "summary_1": what is not read as JSON as a whole is not read line by line."""
    return found["prefix"].endswith('"') and (found.groupdict().get("before") or "").startswith('"')


def _holds(kind: str, rest: str) -> bool:
    """Whether a line's content is what its label announces, for those that must."""
    if kind == "aside":
        return not rest.strip(" *_`#:")
    if kind == "criterion":
        return mark_of(rest) is not None
    if kind == "weak_score":
        return total_of(rest) is not None or len(marks_within(rest)) > 0
    return kind != "weak_best" or best_of(rest) is not None


def _number(groups: dict[str, str | None]) -> int | None:
    said = groups.get("number") or groups.get("place") or groups.get("bare")
    if said is None:
        return None
    return int(said) if said.isdecimal() else _NUMBERS[said.lower()]


def _content_at(line: str, found: re.Match[str]) -> int:
    """Where the content begins: behind the emphasis that was opened before the label and is closed after its colon."""
    opened = _EMPHASIS.search(found["prefix"])
    if opened is None or opened[1] in (found.groupdict().get("before") or ""):
        return found.end()
    spaces = len(line[found.end() :]) - len(line[found.end() :].lstrip())
    closes = line.startswith(opened[1], found.end() + spaces)
    return found.end() + spaces + len(opened[1]) if closes else found.end()


def _within(label: Label, line: str) -> Label:
    """ "Summary 1 - Total score: 15": the label behind the label, with the number of the first."""
    inner = label_of(line[label.end :])
    if inner is None or inner.number is not None or inner.kind in ("summary", "best", "close"):
        return label
    return replace(inner, number=label.number, end=label.end + inner.end, may_head=False)
