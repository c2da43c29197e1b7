"""Documents longer than the model reads: what is done with them, and where to cut one into parts. Text in, text out.

Knows neither a model nor a tokenizer: what a text takes is asked of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from summpo.errors import require_choice, require_number
from summpo.text.prompts import Prompt
from summpo.text.sentences import pieces_of, sentences_of

HOW = ("truncate", "map_reduce")
BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
LINE_ENDS = re.compile(r"\n\s*")

Sizes = Callable[[Sequence[str]], Sequence[int]]
"""What each text takes of the room, in tokens: with white space around it no less than without."""


@dataclass(frozen=True)
class LongDocuments:
    """What is done with a document that does not fit tokens.max_length."""

    how: str = "truncate"
    """truncate: its end is left out. map_reduce: its parts are summarised, and then their summaries."""
    part: Prompt = field(default_factory=Prompt)
    """What goes around a part."""
    join: Prompt = field(default_factory=Prompt)
    """What goes around the summaries of parts, one a paragraph."""
    part_max_new_tokens: int = 256
    """Tokens of a part's summary, at most."""

    def __post_init__(self) -> None:
        require_choice("long_documents", self.how, HOW)
        require_number("map_reduce.part_max_new_tokens", self.part_max_new_tokens, low=1)


def parts_of(text: str, limit: int, sizes: Sizes) -> list[str]:
    """The text in as few parts of at most `limit` as its `units_of` allow, the largest as small as can be.

    Joined they are the text, up to the white space between them; a blank text has none. A single character is never
    cut, whatever the limit.
    """
    units = units_of(text, limit, sizes)
    taken = list(sizes(units))
    fewest = len(_filled(taken, limit))
    low, high = min(max(taken, default=0), limit), limit
    while low < high:  # the smallest limit that needs no more parts
        middle = (low + high) // 2
        if len(_filled(taken, middle)) > fewest:
            low = middle + 1
        else:
            high = middle
    return ["".join(units[i] for i in part).strip() for part in _filled(taken, low)]


def units_of(text: str, limit: int, sizes: Sizes) -> list[str]:
    """What a text is not cut within: its paragraphs, of one over `limit` its lines, then sentences, then white space.

    Each ends in the white space that follows it, but for that around the text: joined they are the text.
    """
    units = [text.strip()] if text.strip() else []

    def halves(unit: str) -> list[str]:
        return _cut_before(pieces_of(unit, limit, lambda piece: sizes([piece])[0]), unit)

    for cut in (
        lambda unit: _cut_behind(BLANK_LINES, unit),
        lambda unit: _cut_behind(LINE_ENDS, unit),
        lambda unit: _cut_before(sentences_of(unit), unit),
        halves,
    ):
        taken = sizes(units)
        units = [
            piece for unit, own in zip(units, taken, strict=True) for piece in ([unit] if own <= limit else cut(unit))
        ]
    return units


def _filled(sizes: Sequence[int], limit: int) -> list[list[int]]:
    """Neighbours by their positions, as many as fit `limit`; one that is larger stands alone."""
    parts: list[list[int]] = []
    taken = 0
    for position, size in enumerate(sizes):
        if not parts or taken + size > limit:
            parts.append([])
            taken = 0
        parts[-1].append(position)
        taken += size
    return parts


def _cut_behind(pattern: re.Pattern[str], text: str) -> list[str]:
    """The text cut behind each match."""
    ends = [match.end() for match in pattern.finditer(text) if match.end() < len(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def _cut_before(pieces: Sequence[str], text: str) -> list[str]:
    """The text cut where each of its pieces but the first begins: they are all of it, in order, up to white space."""
    starts, at = [], 0
    for piece in pieces:
        at = text.index(piece, at)
        starts.append(at)
        at += len(piece)
    cuts = [0, *starts[1:]]
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]
