"""The last stage: the shards in order to one file a split, without duplicates, by quota, under ids that are unique.

Goes through the documents twice: once for what quotas and ids depend on, eight bytes of each a document, once to write.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from summpo.documents import Split
from summpo.documents.duplicates import Survivors
from summpo.documents.filtering import counts_of_shard, none_left
from summpo.documents.funnel import Funnel, Kept
from summpo.documents.rules import REASONS, DocumentRules
from summpo.documents.shards import Rejections, Work, document_of, line_of, record_of
from summpo.errors import UserError
from summpo.text.documents import Document, Rejected

if TYPE_CHECKING:
    from datatrove.data import Document as Row


@dataclass(frozen=True)
class Merge:
    """Writes merged/{train,test}.jsonl, merged/rejected.jsonl and merged/counts.json. One task."""

    rules: DocumentRules
    work: Work

    def __call__(self, data: Any, rank: int, world_size: int) -> None:
        """Raises UserError where a split has lost all its documents."""
        shutil.rmtree(self.work.merged, ignore_errors=True)
        self.work.merged.mkdir(parents=True)
        with Rejections(None) as unused:
            ids, quotas = self._surveyed(unused)
        rejected_file = self.work.merged / "rejected.jsonl" if self.rules.write_rejected else None
        kept: dict[Split, Kept] = {split: Kept() for split in self.work.shards}
        with Rejections(rejected_file) as rejections:
            if rejected_file:
                rejections.begin_with(self.work.rejected(shard) for shard in range(self.work.total))
            self._written(rejections, kept, ids, quotas)
        funnels = {split: self._funnel(split, kept[split], rejections) for split in self.work.shards}
        (self.work.merged / "counts.json").write_text(
            json.dumps({split: asdict(funnel) for split, funnel in funnels.items()}, ensure_ascii=False), "utf-8"
        )

    def _documents(self, rejections: Rejections) -> Iterator[tuple[Split, Row]]:
        survivors = Survivors(self.rules, self.work, rejections)
        for shard in range(self.work.total):
            for row in survivors.of(shard):
                yield self.work.split_of(shard), row

    def _surveyed(self, rejections: Rejections) -> tuple[RepeatedIds, Quotas]:
        ids, quotas = RepeatedIds(), Quotas(self.rules)
        for split, row in self._documents(rejections):
            ids.meet(row.id)
            quotas.meet(split, document_of(row))
        ids.close()
        quotas.close()
        return ids, quotas

    def _written(self, rejections: Rejections, kept: dict[Split, Kept], ids: RepeatedIds, quotas: Quotas) -> None:
        files = {
            split: (self.work.merged / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") for split in kept
        }
        try:
            for split, row in self._documents(rejections):
                document = document_of(row)
                if (quota := quotas.exceeded(split, document)) is not None:
                    rejections.add(split, document, Rejected("over_quota", f"{quota} of {document.source} are taken"))
                    continue
                unique = Document(ids.unique(document.id), document.source, document.text)
                files[split].write(line_of(record_of(unique, row.metadata["tokens"])))
                kept[split].add(document.source, row.metadata["tokens"], len(document.text))
        finally:
            for file in files.values():
                file.close()

    def _funnel(self, split: Split, kept: Kept, rejections: Rejections) -> Funnel:
        counts = counts_of_shard(self.work, split)
        counts.rejected.update({reason: n for (of, reason), n in rejections.counts.items() if of == split})
        if not kept.tokens.count:
            raise UserError(none_left(split, counts))
        assert counts.read == kept.tokens.count + counts.rejected.total()
        return Funnel(
            read=counts.read,
            rejected={reason: counts.rejected[reason] for reason in REASONS if counts.rejected[reason]},
            kept=kept.tokens.count,
            sources={name: (read, kept.sources[name]) for name, read in sorted(counts.sources.items())},
            tokens=kept.tokens.lengths(),
            characters=kept.characters.lengths(),
        )


@dataclass
class RepeatedIds:
    """Which ids stand more than once, and a free one for each that does."""

    _hashes: array[int] = field(default_factory=lambda: array("Q"))
    _taken: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    _repeated: set[int] = field(default_factory=set)
    _given: Counter[str] = field(default_factory=Counter)

    def meet(self, id: str) -> None:
        self._hashes.append(hashed(id))

    def close(self) -> None:
        """After the last."""
        every, counts = np.unique(np.frombuffer(self._hashes, np.uint64), return_counts=True)
        self._taken, self._repeated, self._hashes = every, set(every[counts > 1].tolist()), array("Q")

    def unique(self, id: str) -> str:
        """The id, where it is the first of its name; else with ~2, ~3 ... behind it."""
        if hashed(id) not in self._repeated:
            return id
        self._given[id] += 1
        if self._given[id] == 1:
            return id
        while self._is_taken(name := f"{id}~{self._given[id]}"):
            self._given[id] += 1
        return name

    def _is_taken(self, name: str) -> bool:
        place = int(np.searchsorted(self._taken, np.uint64(hashed(name))))
        return place < len(self._taken) and int(self._taken[place]) == hashed(name)


@dataclass
class Quotas:
    """Which documents of a source its quota takes: those whose text hashes lowest, whatever their order."""

    rules: DocumentRules
    _ranks: dict[tuple[Split, str], array[int]] = field(default_factory=dict)
    _highest: dict[tuple[Split, str], int] = field(default_factory=dict)
    _taken: Counter[tuple[Split, str]] = field(default_factory=Counter)

    def meet(self, split: Split, document: Document) -> None:
        if self._quota(split, document.source) is not None:
            self._ranks.setdefault((split, document.source), array("Q")).append(self._rank(document))

    def close(self) -> None:
        """After the last."""
        for (split, source), ranks in self._ranks.items():
            quota = self._quota(split, source)
            assert quota is not None
            if quota < len(ranks):
                lowest = np.partition(np.frombuffer(ranks, np.uint64), quota - 1)
                self._highest[split, source] = int(lowest[quota - 1])
        self._ranks = {}

    def exceeded(self, split: Split, document: Document) -> int | None:
        """The quota of the document's source, where it does not take the document."""
        key = (split, document.source)
        if key not in self._highest:
            return None
        quota = self._quota(*key)
        # the second: documents with one text, where duplicates are kept
        if self._rank(document) > self._highest[key] or self._taken[key] == quota:
            return quota
        self._taken[key] += 1
        return None

    def _quota(self, split: Split, source: str) -> int | None:
        return (self.rules.of(split).quotas or {}).get(source)

    def _rank(self, document: Document) -> int:
        return hashed(f"{self.rules.seed}\n{document.text}")


def hashed(text: str) -> int:
    """64 bits of a text's BLAKE2."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
