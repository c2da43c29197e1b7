"""datatrove's exact and MinHash blocks, put together so that the first of several documents is the one that stays.

The blocks find signatures that agree by sorting them on the disk: memory is that of a task's signatures, whatever there
is in all. Left alone, exact deduplication keeps the copy that stands earliest within its own shard, and clustering the
one that a union left on top; both depend on how the documents were dealt to tasks. Here shards are neighbours, earlier
ones have the higher priority, and clusters are read once more for their first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from summpo.documents.rules import DocumentRules, NearDuplicates
from summpo.documents.shards import Rejections, Work, document_of, rows
from summpo.documents.words import Words
from summpo.text.documents import Rejected

if TYPE_CHECKING:
    from datatrove.data import Document as Row
    from datatrove.pipeline.dedup import ExactDedupConfig, MinhashConfig

MOST_SHARDS = 65_535
"""Priorities of exact deduplication are 16 bits, from 1."""


def same_text(row: Row) -> str:
    """What two exact duplicates have in common: a hash, as hex, of the text with its white space collapsed."""
    return blake2b(" ".join(row.text.split()).encode(), digest_size=16).hexdigest()


def earliest(row: Row) -> int:
    """The priority of a document: the higher, the earlier its shard."""
    return MOST_SHARDS - row.metadata["shard"]


def exact_config() -> ExactDedupConfig:
    """What datatrove's exact blocks take. (SHA-1: they hand text to xxhash, which since its 4.0 takes bytes alone.)"""
    from datatrove.pipeline.dedup import ExactDedupConfig
    from datatrove.utils.hashing import HashConfig

    return ExactDedupConfig(same_text, earliest, HashConfig(precision=64, hash_fc="sha1"))


def minhash_config(rule: NearDuplicates) -> MinhashConfig:
    """What datatrove's MinHash blocks take."""
    from datatrove.pipeline.dedup import MinhashConfig
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig

    hashes, uniform = HashConfig(precision=64, hash_fc="sha1"), TextNormConfig(norm_unicode_diacritics=False)
    return MinhashConfig(rule.words, rule.bands, rule.rows, norm_config=uniform, hash_config=hashes)


def word_tokenizer() -> Words:
    """The words, as something that the MinHash block takes for a tokenizer."""
    from datatrove.utils.word_tokenizers import WordTokenizer

    WordTokenizer.register(Words)
    return Words()


@dataclass(frozen=True)
class Signatures:
    """Exact signatures of what the first stage keeps, in the same pass."""

    work: Work
    first: int
    """The number of this stage's first shard."""

    def __call__(self, data: Any, rank: int, world_size: int) -> None:
        from datatrove.pipeline.dedup import ExactDedupSignature

        ExactDedupSignature(self.work.stage("exact_signatures"), exact_config()).run(
            data, self.first + rank, world_size
        )


@dataclass(frozen=True)
class Distinct:
    """The documents of a shard without exact duplicates."""

    rules: DocumentRules
    work: Work
    on_duplicate: Callable[[Row], None] | None = None

    def __call__(self, data: Any, rank: int, world_size: int) -> Iterator[Row]:
        from datatrove.pipeline.dedup import ExactDedupFilter

        found = rows(self.work.documents(rank), rank)
        if not self.rules.exact_duplicates:
            return found
        writer = Excluded(self.on_duplicate) if self.on_duplicate else None
        folder = Path(self.work.stage("exact_duplicates"))
        folder.mkdir(parents=True, exist_ok=True)  # as where there was no duplicate
        return ExactDedupFilter(str(folder), exact_config(), writer).run(found, rank, world_size)  # type: ignore[arg-type]


def exact_stage(work: Work) -> list[Any]:
    """The blocks that find exact duplicates among the signatures: one task."""
    from datatrove.pipeline.dedup import ExactFindDedups

    return [ExactFindDedups(work.stage("exact_signatures"), work.stage("exact_duplicates"), exact_config())]


def near_stages(rules: DocumentRules, rule: NearDuplicates, work: Work) -> dict[str, tuple[list[Any], int]]:
    """The stages that find near duplicates among what is left: their blocks and number of tasks, by name."""
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature

    config, words = minhash_config(rule), word_tokenizer()
    sign = MinhashDedupSignature(work.stage("near_signatures"), config, words)  # type: ignore[arg-type]
    match = MinhashDedupBuckets(work.stage("near_signatures"), work.stage("near_matches"), config=config)
    cluster = MinhashDedupCluster(work.stage("near_matches"), work.stage("near_clusters"), config, save_cluster_id=True)
    return {
        "near_signatures": ([Distinct(rules, work), sign], work.total),
        "near_matches": ([match], rule.bands),
        "near_clusters": ([cluster, KeepFirst(work)], 1),
    }


@dataclass(frozen=True)
class KeepFirst:
    """Rewrites which documents of the clusters go: all but the first in order."""

    work: Work

    def __call__(self, data: Any, rank: int, world_size: int) -> None:
        folder = Path(self.work.stage("near_clusters"))
        seen: set[int] = set()
        for file in sorted(folder.glob("*.clusters")):  # one a shard, with its documents in order: (document, cluster)
            pairs = np.fromfile(file, "<u4").reshape(-1, 2)
            going = []
            for document, cluster in pairs.tolist():
                if cluster in seen:
                    going.append(document)
                seen.add(cluster)
            # without this file, be it empty, the filter would not look for clusters either
            np.array(going, "<u4").tofile(file.with_suffix(".remove"))


@dataclass
class Excluded:
    """What datatrove's filters write duplicates to: hands each to a function."""

    tell: Callable[[Row], None]

    def write(self, row: Row, rank: int = 0) -> None:
        self.tell(row)

    def __enter__(self) -> Excluded:
        return self

    def __exit__(self, *error: object) -> None:
        return None


@dataclass
class Survivors:
    """Goes through shards in order, and says of each duplicate which document it repeats."""

    rules: DocumentRules
    work: Work
    rejections: Rejections
    _first: dict[str | int, str] = field(default_factory=dict)
    """The first document with a text, or of a cluster, where there are others."""

    def of(self, shard: int) -> Iterator[Row]:
        """The documents of a shard that repeat no earlier one."""
        distinct = self._watched(Distinct(self.rules, self.work, self._is_copy)(None, shard, self.work.total), shard)
        if self.rules.near_duplicates is None:
            yield from distinct
            return
        from datatrove.pipeline.dedup import MinhashDedupFilter

        folder = Path(self.work.stage("near_clusters"))
        folder.mkdir(parents=True, exist_ok=True)  # as where there was no cluster
        writer = Excluded(self._is_near)
        block = MinhashDedupFilter(str(folder), writer, load_cluster_ids=True)  # type: ignore[arg-type]
        for row in block.run(distinct, shard, self.work.total):  # type: ignore[arg-type]
            if (cluster := row.metadata.get("minhash_cluster_id", -1)) >= 0:
                self._first[cluster] = self._name(row)
            yield row

    def _watched(self, distinct: Iterator[Row], shard: int) -> Iterator[Row]:
        for row in distinct:
            if row.metadata.get("duplicate_count"):
                self._first[same_text(row)] = self._name(row)
            yield row

    def _name(self, row: Row) -> str:
        return f"{row.id} ({self.work.split_of(row.metadata['shard'])})"

    def _is_copy(self, row: Row) -> None:
        self._reject(row, "exact_duplicate", self._first[same_text(row)])

    def _is_near(self, row: Row) -> None:
        self._reject(row, "near_duplicate", self._first[row.metadata["minhash_cluster_id"]])

    def _reject(self, row: Row, reason: str, of: str) -> None:
        self.rejections.add(self.work.split_of(row.metadata["shard"]), document_of(row), Rejected(reason, f"of {of}"))
