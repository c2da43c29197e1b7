"""Documents in Parquet files, by datatrove's reader: a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from summpo.documents import Columns, FaultyRow, SourcePart, require_columns
from summpo.documents.adapter import adapter_of, document_or_fault
from summpo.documents.files import Place, located, reason_of
from summpo.errors import UserError
from summpo.text.documents import Document

ROWS_AT_ONCE = 100
"""Rows read at a time: of long documents these are some megabytes."""


@dataclass(frozen=True)
class Parquet:
    """A Parquet file, or a folder with some."""

    path: str
    """Required: a file, a folder, or what fsspec opens (s3://bucket/folder)."""
    text: str = "text"
    """The column of the text; meta.text is a column within a column."""
    id: str | None = "id"
    """The column of the id; null, or a row without it: named after its file and place."""
    source: str | None = "source"
    """The column of the source, by which quotas and reports go."""
    source_name: str | None = None
    """The source of rows whose column does not say; null = the folder in which the file lies."""
    limit: int | None = None
    """Rows read of each file, at most; null = all."""

    def __post_init__(self) -> None:
        require_columns(self.path, self.text, self.id, self.source, self.source_name, self.limit)

    @property
    def _place(self) -> Place:
        return Place(self.path, (".parquet",))

    def parts(self) -> list[SourcePart]:
        """The files, by name.

        Raises:
            UserError: there is none.
        """
        return self._place.parts()

    def documents(self, part: SourcePart) -> Iterator[Document | FaultyRow]:
        """The documents of a file.

        Raises:
            UserError: the file cannot be read.
        """
        from datatrove.pipeline.readers import ParquetReader
        from pyarrow import ArrowException

        columns = Columns(self.text, self.id, self.source, self.source_name)
        adapter = adapter_of(columns, self._place.full(part.path), self._place.source_of(part.path))
        reader = ParquetReader(located(self.path)[0], adapter=adapter, batch_size=ROWS_AT_ONCE)
        try:
            for found in islice(reader.read_file(part.path), self.limit):
                yield document_or_fault(found)
        except (ArrowException, OSError) as error:
            raise UserError(f"{self._place.full(part.path)} cannot be read as Parquet: {reason_of(error)}") from error
