"""Scores in a Markdown table: a column a summary with a row a criterion, or the other way round."""

from __future__ import annotations

import re
from dataclasses import dataclass

from summpo.synthesis.parsing.parts import CRITERIA, Part

_CELL_MARKUP = " \t*_`"
_SUMMARY = re.compile(r"(?:summary\s*)?#?\s*([12])|(first|second)(?: summary)?", re.IGNORECASE)
_RULE = re.compile(r"(?=[^-]*-)[\s|:+-]++")
_TOTAL = re.compile(r"(?:(?:overall|final)\s+)?(?:total|score|sum|overall)(?:\s+score)?", re.IGNORECASE)
_NOTE = re.compile(r"[(\[][^()\[\]]*[)\]]\Z")


@dataclass(frozen=True)
class Table:
    """The scores of a table, and the line after its last."""

    parts: tuple[Part, ...]
    end: int


def table_at(lines: list[str], at: int) -> Table | None:
    """The table of scores that begins at a line, if one does. Other tables are text."""
    if "|" not in lines[at] or at + 1 >= len(lines) or not _RULE.fullmatch(lines[at + 1]):
        return None
    end = at + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    head = _cells(lines[at])
    rows = [_cells(line) for line in lines[at + 2 : end]]
    summaries = {column: number for column, cell in enumerate(head) if (number := _summary(cell)) is not None}
    marks = {column: name for column, cell in enumerate(head) if (name := _mark(cell)) is not None}
    parts: list[Part] = []
    if set(summaries.values()) == {1, 2} and len(summaries) == 2:
        named = [(name, row) for row in rows if row and (name := _mark(row[0])) is not None]
        parts = [_part(name, n, row[c]) for name, row in named for c, n in summaries.items() if c < len(row)]
    elif "total" in marks.values():
        numbered = [(number, row) for row in rows if row and (number := _summary(row[0])) is not None]
        parts = [_part(name, n, row[c]) for n, row in numbered for c, name in marks.items() if c < len(row)]
    return Table(tuple(parts), end) if parts else None


def _cells(line: str) -> list[str]:
    return [cell.strip(_CELL_MARKUP) for cell in line.strip().strip("|").split("|")]


def _summary(cell: str) -> int | None:
    found = _SUMMARY.fullmatch(_NOTE.sub("", cell).strip(_CELL_MARKUP))
    if found is None:
        return None
    return int(found[1]) if found[1] else 1 if found[2].lower() == "first" else 2


def _mark(cell: str) -> str | None:
    """The name of a criterion, "total", or None."""
    name = _NOTE.sub("", cell).strip(_CELL_MARKUP)
    if name.lower() in CRITERIA:
        return name.lower()
    return "total" if _TOTAL.fullmatch(name) else None


def _part(name: str, number: int, cell: str) -> Part:
    return Part("score", number, cell) if name == "total" else Part("criterion", number, cell, name)
