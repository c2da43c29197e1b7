"""The label that a line of an answer begins with: "Summary 1:", "**Total score** (4-18) -", "## The best summary".

Knows one line at a time; which of two readings the lines around it leave is said in `lines`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from summpo.synthesis.parsing.choices import best_of
from summpo.synthesis.parsing.numbers import is_bare_score, mark_of
from summpo.synthesis.parsing.parts import Kind
from summpo.synthesis.parsing.vocabulary import NUMBERS, PATTERNS

_EMPHASIS = re.compile(r"(\*{1,3}|_{1,3}|`+)[\s\"'(\[]*\Z")
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "summary": "summary",
        "score": "score",
        "weak_score": "score",
        "criterion": "criterion",
        "explanation": "explanation",
        "best": "best",
        "weak_best": "best",
        "aside": "aside",
    }
)


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
    """The label that a line begins with, if any.

    Args:
        line: in its `usual` characters.
    """
    for name, pattern in PATTERNS:
        found = pattern.match(line)
        if found is None:
            continue
        groups = {key: value or "" for key, value in found.groupdict().items()}
        if groups["prefix"].endswith("</"):
            return Label("close", None, len(line))
        label = _label(_KINDS[name], found, groups)
        if not _is_key(groups) and _holds(name, line[label.end :]):
            return _within(label, line) if name == "summary" else label
    return None


def _label(kind: Kind, found: re.Match[str], groups: Mapping[str, str]) -> Label:
    said = groups.get("number") or groups.get("place") or groups.get("bare") or ""
    number = int(said) if said.isdecimal() else NUMBERS.get(said.lower())
    reason = groups.get("reason", "").lower()
    heads = kind == "aside" or (kind == "explanation" and not reason.startswith("explanation"))
    end = _content_at(found.string, found.end(), groups)
    return Label(kind, number, end, groups.get("criterion", "").lower(), heads and number is None)


def _is_key(groups: Mapping[str, str]) -> bool:
    """Whether it is a key of JSON, "summary_1": what is not read as JSON as a whole is not read line by line."""
    return groups["prefix"].endswith('"') and groups.get("before", "").startswith('"')


def _holds(name: str, rest: str) -> bool:
    """Whether a line's content is what its label announces, for those that must."""
    if name == "aside":
        return not rest.strip(" *_`#:")
    if name == "criterion":
        return mark_of(rest) is not None
    if name == "weak_score":
        return is_bare_score(rest)
    return name != "weak_best" or best_of(rest) is not None


def _content_at(line: str, end: int, groups: Mapping[str, str]) -> int:
    """Where the content begins: behind the emphasis that was opened before the label and is closed after its colon."""
    opened = _EMPHASIS.search(groups["prefix"])
    if opened is None or opened[1] in groups.get("before", ""):
        return end
    start = end + len(line[end:]) - len(line[end:].lstrip())
    return start + len(opened[1]) if line.startswith(opened[1], start) else end


def _within(label: Label, line: str) -> Label:
    """ "Summary 1 - Total score: 15": the label behind the label, with the number of the first."""
    inner = label_of(line[label.end :])
    if inner is None or inner.number is not None or inner.kind in ("summary", "best", "close"):
        return label
    return replace(inner, number=label.number, end=label.end + inner.end, may_head=False)
