"""The files between stages: shards of documents, rejections, counts. A task that runs again writes its own anew.

A shard's number is its place in the order: those of test come first, then those of train.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from summpo.documents import SPLITS, Split
from summpo.text.documents import Document, Rejected

if TYPE_CHECKING:
    from datatrove.data import Document as Row


@dataclass(frozen=True)
class Work:
    """The folder of what is between the sources and the documents, and how many shards each split has."""

    path: Path
    shards: dict[Split, int]

    @property
    def total(self) -> int:
        """How many shards there are."""
        return sum(self.shards.values())

    def first(self, split: Split) -> int:
        """The number of a split's first shard."""
        return 0 if split == SPLITS[0] else self.shards.get(SPLITS[0], 0)

    def split_of(self, shard: int) -> Split:
        """Whose shard it is."""
        return SPLITS[0] if shard < self.shards.get(SPLITS[0], 0) else SPLITS[1]

    def parts(self, split: Split) -> Path:
        """The file of a source's parts."""
        return self.path / f"{split}.parts.json"

    def documents(self, shard: int) -> Path:
        return self.path / "filtered" / f"{shard:05d}.jsonl"

    def rejected(self, shard: int) -> Path:
        return self.path / "filtered" / f"{shard:05d}.rejected.jsonl"

    def counts(self, shard: int) -> Path:
        return self.path / "filtered" / f"{shard:05d}.counts.json"

    @property
    def n_grams(self) -> Path:
        """The folder of the test documents' n-grams."""
        return self.path / "test_n_grams"

    @property
    def merged(self) -> Path:
        """The folder of what is done."""
        return self.path / "merged"

    def stage(self, name: str) -> str:
        """The folder of a stage's own files."""
        return str(self.path / name)


@dataclass
class ShardCounts:
    """What became of the documents that a task read."""

    read: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    """Documents read, by source."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By reason."""

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(vars(self), ensure_ascii=False), "utf-8")

    def add(self, file: Path) -> None:
        """Adds what another task counted."""
        found = json.loads(file.read_text("utf-8"))
        self.read += found["read"]
        self.sources.update(found["sources"])
        self.rejected.update(found["rejected"])


class Rejections:
    """Counts rejected documents and writes a line of each, where there is a file for it."""

    def __init__(self, file: Path | None) -> None:
        self.counts: Counter[tuple[Split, str]] = Counter()
        self._file: IO[str] | None = file.open("w", encoding="utf-8", newline="\n") if file else None

    def add(self, split: Split, document: Document, why: Rejected) -> None:
        self.counts[split, why.reason] += 1
        if self._file:
            line = {"id": document.id, "source": document.source, "split": split, **asdict(why)}
            self._file.write(line_of(line))

    def begin_with(self, files: Iterable[Path]) -> None:
        """Takes over the lines that tasks before this have written, and not their counts."""
        for file in files:
            with file.open(encoding="utf-8", newline="\n") as opened:
                shutil.copyfileobj(opened, self._file)  # type: ignore[arg-type]

    def __enter__(self) -> Rejections:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file:
            self._file.close()


def line_of(record: dict[str, Any]) -> str:
    """A line of JSON."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def record_of(document: Document, tokens: int) -> dict[str, Any]:
    """A document's columns with its length."""
    return {**asdict(document), "tokens": tokens, "characters": len(document.text)}


def row_of(record: dict[str, Any], shard: int) -> Row:
    """A document as datatrove's blocks take it; the shard decides who is the first of two."""
    from datatrove.data import Document as Row

    metadata = {"source": record["source"], "tokens": record["tokens"], "shard": shard}
    return Row(record["text"], record["id"], metadata=metadata)


def document_of(row: Row) -> Document:
    """The other way round."""
    return Document(row.id, row.metadata["source"], row.text)


def rows(file: Path, shard: int) -> Iterator[Row]:
    """The documents of a shard, one at a time."""
    with file.open(encoding="utf-8", newline="\n") as opened:
        for line in opened:
            yield row_of(json.loads(line), shard)
