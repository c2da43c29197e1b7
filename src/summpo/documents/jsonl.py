"""Documents in JSONL files, read strictly: a line that is no document is a fault with its number, never passed over.

datatrove's own JSONL reader logs a broken line as a warning and goes on, leaves a file where a byte is not UTF-8, and
needs orjson. So its folders are used, and the lines are read here. A plain file is read in parts, from the first line
that begins in a part to the last, so that one file of many gigabytes is work for many.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from summpo.documents import Columns, FaultyRow, SourcePart, require_columns
from summpo.documents.files import PACKED, Place
from summpo.errors import UserError
from summpo.files.jsonl import row_of_line
from summpo.text.documents import Document


@dataclass(frozen=True)
class Jsonl:
    """A JSONL file, or a folder with some, perhaps packed (.gz)."""

    path: str
    """Required: a file, a folder, or what fsspec opens (s3://bucket/folder). Packed files (.gz) are unpacked as they
    are read."""
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
        return Place(self.path, (".jsonl", ".json", ".ndjson"))

    def parts(self) -> list[SourcePart]:
        """The files, by name; large ones in parts, unless there is a limit.

        Raises:
            UserError: there is none.
        """
        return self._place.parts(can_be_cut=self.limit is None)

    def documents(self, part: SourcePart) -> Iterator[Document | FaultyRow]:
        """The documents of the lines that begin in the part.

        Raises:
            UserError: the file cannot be read.
        """
        columns = Columns(self.text, self.id, self.source, self.source_name)
        source, name = self._place.source_of(part.path), part.path.rsplit("/", 1)[-1]
        lines_before: int | None = None
        with self._place.opened(part.path, part.path.endswith(PACKED)) as file:
            for number, (offset, line) in enumerate(lines_of(file, part)):
                if self.limit is not None and number >= self.limit:
                    return
                if not line.strip():
                    continue
                try:
                    yield columns.document(row_of_line(line, "", number), f"{name}@{offset}", source)
                except UserError as error:
                    if lines_before is None:
                        lines_before = self._lines_before(part)
                    place = f"{self._place.full(part.path)}, line {lines_before + number + 1}"
                    yield FaultyRow(f"{place}{error}")

    def _lines_before(self, part: SourcePart) -> int:
        """How many lines of the file end before the first that begins in the part."""
        count, at = 0, 0
        with self._place.opened(part.path) as file:
            end = first_line(file, part.start)
            file.seek(0)
            while at < end and (block := file.read(min(2**20, end - at))):
                count, at = count + block.count(b"\n"), at + len(block)
        return count


def lines_of(file: IO[bytes], part: SourcePart) -> Iterator[tuple[int, bytes]]:
    """Each line that begins in a part, with the place of its first byte; a packed file is one part."""
    is_packed = part.path.endswith(PACKED)
    offset = 0 if is_packed else first_line(file, part.start)
    while is_packed or offset < part.end:
        line = file.readline()
        if not line:
            return
        yield offset, (line.removeprefix(codecs.BOM_UTF8) if offset == 0 else line).rstrip(b"\n")
        offset += len(line)


def first_line(file: IO[bytes], start: int) -> int:
    """Goes to where the first line begins at `start` or behind it, and says where."""
    if start == 0:
        return 0
    file.seek(start - 1)
    return start - 1 + len(file.readline())
