"""Compression: how small a part of its document a summary is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from summpo.margin_rewards import Completions
from summpo.text.words import count_words


@dataclass(frozen=True)
class Compression:
    """Minus the summary's words over the document's words: what a long document allows, a short one does not."""

    less_and_more: ClassVar[tuple[str, str]] = ("longer summaries", "shorter summaries")

    def rewards(self, completions: Completions) -> list[float]:
        """0 for an empty summary, -1 for one as long as its document; a document without words counts as one word."""
        words = completions.lengths("words")
        documents = [max(1, count_words(document)) for document in completions.documents]
        return [-length / whole for length, whole in zip(words, documents, strict=True)]
