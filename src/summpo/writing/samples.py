"""The lines of samples.jsonl: a summary beside its document and references, and how much of the document it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from summpo.text.encoding import text_tokens
from summpo.text.rows import SummaryRow
from summpo.text.words import count_words

if TYPE_CHECKING:
    from summpo.writing.generation import Generated
    from summpo.writing.writer import Writer


@dataclass(frozen=True)
class Fate:
    """What became of a document on its way to the model."""

    left_out: int = 0
    """Tokens of it, or of its parts and their summaries, that the model did not read."""
    parts: int = 1
    """Parts that it was summarised in."""


@dataclass(frozen=True)
class LongCounts:
    """What became of the documents that did not fit tokens.max_length."""

    how: str
    """truncate or map_reduce."""
    documents: int
    """Documents that did not fit."""
    tokens_left_out: int
    """Tokens left out of all documents together."""
    parts: int
    """Parts that they were summarised in, together."""

    def words(self, max_length: int) -> str:
        """A part of the line that a command ends with; nothing where all documents fit."""
        if not self.documents:
            return ""
        parts = f"summarised in {self.parts} parts" if self.how == "map_reduce" else ""
        out = f"{self.tokens_left_out} tokens left out" if self.tokens_left_out or not parts else ""
        did = f"long_documents={self.how}: {', '.join(filter(None, (parts, out)))}"
        return f"; {self.documents} did not fit tokens.max_length={max_length}, {did}"

    def record(self) -> dict[str, Any]:
        """The counts as files hold them."""
        return asdict(self)


def sample_of(writer: Writer, row: SummaryRow, written: Generated, fate: Fate) -> dict[str, Any]:
    """A line of samples.jsonl."""
    answer = writer.answer(written)
    text = answer.text
    return {
        "id": row.id,
        "document": row.document,
        "summary": text,
        "references": list(row.references or filter(None, [row.summary])),
        "length_tokens": len(text_tokens([text], writer.tokenizer)[0]),
        "length_words": count_words(text),
        "ended": written.ended,
        "thought_tokens": answer.thought_tokens,
        "cut_in_thought": answer.cut_in_thought,
        "tokens_left_out": fate.left_out,
        "parts": fate.parts,
    }


@dataclass(frozen=True)
class ThoughtCounts:
    """What was thought aloud before the summaries, and taken off them."""

    summaries: int
    """Summaries with thoughts before them, or that stopped within some."""
    tokens: int
    """Tokens of all their thoughts together."""
    cut: int
    """Summaries that stopped within a thought: what was to follow it was not written."""

    def words(self) -> str:
        """A part of the line that a command ends with; nothing where no summary has thoughts."""
        if not self.summaries:
            return ""
        cut = f", {self.cut} cut within them (generation.max_new_tokens)" if self.cut else ""
        return f"; {self.summaries} after thoughts of {self.tokens} tokens together{cut}"


def thought_counts(samples: Sequence[Mapping[str, Any]]) -> ThoughtCounts:
    """What their lines say of thoughts."""
    tokens = [sample["thought_tokens"] for sample in samples]
    return ThoughtCounts(sum(map(bool, tokens)), sum(tokens), sum(sample["cut_in_thought"] for sample in samples))


def long_counts(samples: Sequence[Mapping[str, Any]], how: str) -> LongCounts:
    """What their lines say of the documents that did not fit."""
    long = [sample for sample in samples if sample["parts"] > 1 or sample["tokens_left_out"]]
    left_out, parts = (sum(sample[key] for sample in long) for key in ("tokens_left_out", "parts"))
    return LongCounts(how, len(long), left_out, parts)


def samples_lines(samples: Sequence[Mapping[str, Any]]) -> str:
    """What samples.jsonl holds: one JSON object a line."""
    return "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
