"""Generated summaries as an evaluation left them: the lines of samples.jsonl, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from summpo.errors import UserError, require
from summpo.evaluation.json_fields import Fields
from summpo.files.provenance import json_object


@dataclass(frozen=True, slots=True)
class Sample:
    """One generated summary beside its document and references: a line of samples.jsonl."""

    id: str
    document: str
    summary: str
    references: tuple[str, ...]
    length_tokens: int
    length_words: int
    ended: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    """Every metric's value of this summary, where the evaluation left them."""


def read_samples(file: Path) -> tuple[Sample, ...]:
    """The lines of samples.jsonl; none where the run left no such file."""
    if not file.exists():
        return ()
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    return tuple(_read_sample(f"{file}, line {n}", line) for n, line in enumerate(lines, start=1) if line.strip())


def _read_sample(place: str, line: str) -> Sample:
    fields = Fields(place, json_object(place, line))
    references = fields.values.get("references")
    is_texts = isinstance(references, list) and all(isinstance(reference, str) for reference in references)
    require(is_texts, f"{place}: references must be a list of texts, got {references!r}")
    return Sample(
        id=fields.text("id"),
        document=fields.text("document"),
        summary=fields.text("summary"),
        references=tuple(references or ()),
        length_tokens=int(fields.number("length_tokens")),
        length_words=int(fields.number("length_words")),
        ended=bool(fields.values.get("ended")),
        scores=fields.numbers("scores") if "scores" in fields.values else {},
    )
