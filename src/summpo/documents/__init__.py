"""Raw documents to those that a teacher is to summarise: filtered, without duplicates, train apart from test.

    jsonl, parquet, hub, folder   where documents come from: the config targets of the group `documents`
    files                         the files under a path, through datatrove's fsspec folders
    rules                         which documents are wanted: limits, quotas, duplicates, contamination
    executors                     who does the work: this process and workers of it, Slurm, Ray (group `executor`)
    tokens                        how long a text is in tokens, without encoding a book to find it too long
    filtering                     source -> shards of documents within the limits
    shards                        the files between stages
    words, contamination          n-grams of words; train documents that overlap with test documents
    duplicates                    datatrove's exact and MinHash blocks, so that the first document is the one that stays
    merging                       shards -> the documents, in order, by quota
    funnel                        how many were read, rejected and why, kept
    plan                          what documents are made of, and what has changed
    prepare                       the stages in their order, resumed, done or refused: `prepare` and `read`

datatrove (0.10) shards, runs and resumes; what a document is and why it is rejected is decided here. This file holds
what sources speak of. It imports nothing heavy.

Order is the source's own (files by name, rows as they stand), test before train. It does not depend on the number of
workers or tasks, nor does the choice among duplicates (the first stays) or within a quota.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from summpo.errors import require
from summpo.files.jsonl import SourceRow
from summpo.text.documents import Document

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("test", "train")
"""In the order in which they are read: train documents are compared with test documents."""

PART_BYTES = 32 * 2**20
"""A file that can be cut is read in parts of this size; a task reads about as much."""


@dataclass(frozen=True)
class SourcePart:
    """What can be read by itself: a file, bytes of one, or a shard of a Hub data set."""

    path: str
    start: int
    """The first byte; of a Hub data set, the number of the shard."""
    end: int
    """The byte behind the last; of a Hub data set, how many shards there are."""
    size: int
    """Bytes, about."""
    stamp: str
    """What shows that it has changed: a file's size and time of change, a data set's commit."""


@dataclass(frozen=True)
class FaultyRow:
    """A row that is no document."""

    sentence: str
    """What is wrong, with file and line or row."""


@runtime_checkable
class DocumentSource(Protocol):
    """Documents somewhere, in parts whose order is theirs."""

    def parts(self) -> list[SourcePart]:
        """What there is to read, without reading it.

        Raises:
            UserError: there is nothing, or it cannot be listed.
        """
        ...

    def documents(self, part: SourcePart) -> Iterator[Document | FaultyRow]:
        """The documents of a part, one at a time; a row that is none as a `FaultyRow`.

        Raises:
            UserError: the file as a whole cannot be read.
        """
        ...


@dataclass(frozen=True)
class Columns:
    """Which column is what. A column may be a path into nested values: meta.url."""

    text: str
    id: str | None
    source: str | None
    source_name: str | None
    """The source of a row whose column does not say."""

    def document(self, row: SourceRow, id: str, source: str) -> Document:
        """The document of a row; `id` and `source` are those that its place gives it.

        Raises:
            UserError: the text is missing or no text, or the id or the source is neither text nor a whole number.
        """
        own_id = row.optional_id(self.id) if self.id else None
        own_source = row.optional_id(self.source) if self.source else None
        return Document(own_id or id, own_source or self.source_name or source, row.text(self.text))


def require_columns(path: Any, text: Any, id: Any, source: Any, source_name: Any, limit: Any) -> None:
    """Guards the fields that sources share: a path, names of columns, a limit.

    Raises:
        UserError: naming the config key.
    """
    for key, value in (("path", path), ("text", text)):
        require(is_text(value), f"{key} must be text, got {value!r} (config key documents.{key})")
    for key, value in (("id", id), ("source", source), ("source_name", source_name)):
        require(
            value is None or is_text(value), f"{key} must be text or null, got {value!r} (config key documents.{key})"
        )
    is_whole = isinstance(limit, int) and not isinstance(limit, bool)
    require(
        limit is None or (is_whole and limit >= 1),
        f"limit must be null or a whole number >= 1, got {limit!r} (config key documents.limit)",
    )


def is_text(value: Any) -> bool:
    """Whether it is text that is not blank."""
    return isinstance(value, str) and bool(value.strip())
