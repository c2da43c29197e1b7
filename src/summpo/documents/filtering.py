"""The first stage: a source's documents to shards of those within the limits, each other one counted by reason.

Its steps are what datatrove's executors call: (documents so far, number of the task, number of tasks) -> documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from summpo.documents import DocumentSource, FaultyRow, SourcePart, Split
from summpo.documents.contamination import NGramIndex, index_of, opened
from summpo.documents.rules import Contamination, DocumentRules
from summpo.documents.shards import (
    Rejections,
    ShardCounts,
    Work,
    document_of,
    line_of,
    record_of,
    row_of,
    rows,
)
from summpo.documents.tokens import count, count_up_to
from summpo.errors import UserError
from summpo.text.documents import Document, Rejected

if TYPE_CHECKING:
    from datatrove.data import Document as Row

Item = TypeVar("Item")
AT_ONCE = 32
"""Documents that are encoded together: enough for the tokenizer's threads, few enough to hold."""
MOST_SOURCES = 1000
"""More names than this are no names of sources: an address a document, perhaps."""


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizer.json of the student and of the teacher, perhaps the same."""

    student: str
    teacher: str


@dataclass(frozen=True)
class Filter:
    """Reads a split's parts and writes its shards; passes on what it keeps."""

    split: Split
    source: DocumentSource
    rules: DocumentRules
    tokenizers: Tokenizers
    work: Work
    against_test: bool
    """Whether there is an index of the test documents to compare with."""

    def __call__(self, data: Any, rank: int, world_size: int) -> Iterator[Row]:
        """The kept documents of this task's parts.

        Raises:
            UserError: a part cannot be read; a row is faulty and `faulty_rows` says error; too many sources.
        """
        shard = self.work.first(self.split) + rank
        counts = ShardCounts()
        self.work.documents(shard).parent.mkdir(parents=True, exist_ok=True)
        index = opened(self.work.n_grams) if self.against_test else None
        rejected_file = self.work.rejected(shard) if self.rules.write_rejected else None
        with (
            Rejections(rejected_file) as rejections,
            self.work.documents(shard).open("w", encoding="utf-8", newline="\n") as file,
        ):
            for batch in batches(self._found(rank, world_size), AT_ONCE):
                for document, verdict in self._judged(batch, counts, index):
                    if isinstance(verdict, Rejected):
                        rejections.add(self.split, document, verdict)
                        continue
                    record = record_of(document, verdict)
                    file.write(line_of(record))
                    yield row_of(record, shard)
        counts.rejected.update({reason: n for (_, reason), n in rejections.counts.items()})
        counts.write(self.work.counts(shard))

    def _found(self, rank: int, world_size: int) -> Iterator[Document | FaultyRow]:
        parts = [SourcePart(**part) for part in json.loads(self.work.parts(self.split).read_text("utf-8"))]
        for part in shared_out(parts, rank, world_size):
            yield from self.source.documents(part)

    def _judged(
        self, found: list[Document | FaultyRow], counts: ShardCounts, index: NGramIndex | None
    ) -> Iterator[tuple[Document, Rejected | int]]:
        """Each document with its tokens, or with why it is rejected."""
        rules = self.rules.of(self.split)
        documents = [one if isinstance(one, Document) else self._faulty(one) for one in found]
        verdicts: list[Rejected | int | None] = [
            Rejected("faulty_row", one.sentence) if isinstance(one, FaultyRow) else rules.before_counting(one)
            for one in found
        ]
        asked = [n for n, verdict in enumerate(verdicts) if verdict is None]
        texts = [documents[n].text for n in asked]
        counted = count_up_to(self.tokenizers.student, texts, rules.max_tokens)
        teachers = [tokens for tokens, _ in counted]
        if rules.max_teacher_tokens is not None and self.tokenizers.teacher != self.tokenizers.student:
            teachers = count(self.tokenizers.teacher, texts)
        for n, (tokens, is_exact), teacher_tokens in zip(asked, counted, teachers, strict=True):
            verdict = rules.by_tokens(tokens, teacher_tokens, is_exact)
            if verdict is None and index and self.rules.contamination:
                verdict = index.verdict(documents[n], self.rules.contamination)
            verdicts[n] = verdict or tokens
        for document, verdict in zip(documents, verdicts, strict=True):
            counts.read += 1
            counts.sources.update([document.source] if document.source else [])
            assert verdict is not None
            yield document, verdict
        if len(counts.sources) > MOST_SOURCES:
            raise UserError(
                f"the {self.split} documents have more than {MOST_SOURCES} sources, {next(iter(counts.sources))} the "
                "first: that column holds something else (config key documents.source)"
            )

    def _faulty(self, fault: FaultyRow) -> Document:
        """What stands for a row that is no document.

        Raises:
            UserError: `faulty_rows` says so.
        """
        if self.rules.faulty_rows == "error":
            raise UserError(fault.sentence)
        return Document("", "", "")


@dataclass(frozen=True)
class IndexTest:
    """Makes the index of the test documents' n-grams: of all within the limits, also those that a quota leaves out."""

    rule: Contamination
    work: Work

    def __call__(self, data: Any, rank: int, world_size: int) -> None:
        found = (document_of(row) for n in range(self.work.shards["test"]) for row in rows(self.work.documents(n), n))
        index_of(found, self.rule.words).write(self.work.n_grams)


@dataclass(frozen=True)
class Check:
    """Stops before the work goes on with nothing, or without a source that a quota names."""

    rules: DocumentRules
    work: Work

    def __call__(self, data: Any, rank: int, world_size: int) -> None:
        """Raises UserError with the counts of what was read."""
        for split in self.work.shards:
            counts = counts_of_shard(self.work, split)
            quotas = self.rules.of(split).quotas or {}
            absent = [source for source in quotas if source not in counts.sources]
            if absent:
                there = ", ".join(sorted(counts.sources)[:20]) or "none"
                raise UserError(
                    f"no {split} document is from {absent[0]}, which its quotas name; sources are: {there} "
                    f"(config key {split}.quotas)"
                )
            if sum(counts.rejected.values()) == counts.read:
                raise UserError(none_left(split, counts))


def counts_of_shard(work: Work, split: Split) -> ShardCounts:
    """What the first stage counted of a split."""
    counts = ShardCounts()
    for shard in range(work.first(split), work.first(split) + work.shards[split]):
        counts.add(work.counts(shard))
    return counts


def none_left(split: Split, counts: ShardCounts) -> str:
    """The sentence for a split that has lost all its documents."""
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts.rejected.most_common())
    return f"no {split} document is left of {counts.read}" + (f": {reasons}" if reasons else "")


def shared_out(parts: list[SourcePart], rank: int, world_size: int) -> list[SourcePart]:
    """The parts of a task: neighbours, about as many bytes as every other task's."""
    total = sum(part.size for part in parts) or 1
    mine, before = [], 0
    for part in parts:
        if min(world_size - 1, before * world_size // total) == rank:
            mine.append(part)
        before += part.size
    return mine


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last perhaps shorter."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
