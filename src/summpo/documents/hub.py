"""Documents of a data set on the Hub, or in a folder that `datasets` reads, streamed by datatrove's reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from summpo.documents import PART_BYTES, Columns, FaultyRow, SourcePart, require_columns
from summpo.documents.adapter import adapter_of, document_or_fault
from summpo.documents.files import reason_of
from summpo.errors import UserError, require, require_number
from summpo.text.documents import Document

ROWS_AT_ONCE = 100
"""Rows read at a time: of long documents these are some megabytes."""


@dataclass(frozen=True)
class Hub:
    """One split of a data set. Its order, and with it the choice among duplicates, depends on `shards`."""

    path: str
    """Required: a Hub id (owner/name), or a folder that `datasets` reads."""
    config: str | None = None
    """The data set's configuration; null = its only one."""
    split: str = "train"
    """The data set's own split."""
    revision: str | None = None
    """Branch, tag or commit; null = the newest. The commit that it is at the start is the one that is read."""
    text: str = "text"
    """The column of the text; meta.text is a column within a column."""
    id: str | None = "id"
    """The column of the id; null, or a row without it: named after the data set and its place."""
    source: str | None = "source"
    """The column of the source, by which quotas and reports go."""
    source_name: str | None = None
    """The source of rows whose column does not say; null = the data set's name."""
    shards: int = 1
    """Pieces that can be read side by side; no more than the data set has files. The documents' order follows them."""
    limit: int | None = None
    """Rows read of each shard, at most; null = all."""

    def __post_init__(self) -> None:
        require_columns(self.path, self.text, self.id, self.source, self.source_name, self.limit)
        require_number("documents.shards", self.shards, low=1)

    def parts(self) -> list[SourcePart]:
        """The shards, pinned to the commit that the revision is now.

        Raises:
            UserError: the Hub cannot be reached.
        """
        stamp = "" if Path(self.path).expanduser().is_dir() else self._commit()
        return [SourcePart(self.path, shard, self.shards, PART_BYTES, stamp) for shard in range(self.shards)]

    def _commit(self) -> str:
        from huggingface_hub import HfApi

        try:
            return str(HfApi().dataset_info(self.path, revision=self.revision).sha)
        except Exception as error:  # the library's and the network's errors share no narrower class
            raise UserError(
                f"{self.path} is no folder here, and the Hub does not give it: {reason_of(error)} "
                "(config key documents.path)"
            ) from error

    def documents(self, part: SourcePart) -> Iterator[Document | FaultyRow]:
        """The documents of a shard.

        Raises:
            UserError: the Hub cannot be reached, or has no such configuration or split.
        """
        from datatrove.pipeline.readers import HuggingFaceDatasetReader

        columns = Columns(self.text, self.id, self.source, self.source_name)
        options = {"name": self.config, "split": self.split, "revision": part.stamp or None}
        reader = HuggingFaceDatasetReader(
            str(Path(self.path).expanduser()) if not part.stamp else self.path,
            {key: value for key, value in options.items() if value is not None},
            streaming=True,
            limit=-1 if self.limit is None else self.limit,
            batch_size=ROWS_AT_ONCE,
            adapter=adapter_of(columns, self.path, self.path.rstrip("/").rsplit("/", 1)[-1]),
        )
        require(part.end == self.shards, f"shards is {self.shards} and the work was begun with {part.end}")
        try:
            for found in reader.run(None, part.start, part.end):  # type: ignore[arg-type]
                yield document_or_fault(found)
        except Exception as error:  # as above
            raise UserError(f"{self.path}: the split {self.split} cannot be read: {reason_of(error)}") from error
