"""Documents as text files in a folder: a file is a document, its folder the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from summpo.documents import FaultyRow, SourcePart, is_text, require_columns
from summpo.documents.files import Place
from summpo.errors import require
from summpo.text.documents import Document


@dataclass(frozen=True)
class Folder:
    """A folder of UTF-8 text files, or one."""

    path: str
    """Required: a folder with all in it, a file, or what fsspec opens (s3://bucket/folder)."""
    suffixes: Sequence[str] = (".txt", ".md")
    """Endings of the files that are documents."""
    source_name: str | None = None
    """The source of all of them; null = the folder under the path in which a file lies, else the path's own name."""
    limit: int | None = None
    """Files read, at most, in the order of their names; null = all."""

    def __post_init__(self) -> None:
        require_columns(self.path, "text", None, None, self.source_name, self.limit)
        is_list = isinstance(self.suffixes, Sequence) and not isinstance(self.suffixes, str)
        require(
            is_list and len(self.suffixes) > 0 and all(map(is_text, self.suffixes)),
            f"suffixes must be a list of endings such as .txt, got {self.suffixes!r} (config key documents.suffixes)",
        )

    def parts(self) -> list[SourcePart]:
        """The files, by name.

        Raises:
            UserError: there is none.
        """
        return Place(self.path, tuple(self.suffixes)).parts()[: self.limit]

    def documents(self, part: SourcePart) -> Iterator[Document | FaultyRow]:
        """The one document of a file; its id is the file's path in the folder, without the ending.

        Raises:
            UserError: the file cannot be read.
        """
        place = Place(self.path, tuple(self.suffixes))
        with place.opened(part.path) as file:
            content = file.read()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            where = f"byte 0x{content[error.start]:02x} at {error.start + 1}"
            yield FaultyRow(f"{place.full(part.path)}: not UTF-8 ({where})")
            return
        source = self.source_name or place.source_of(part.path)
        yield Document(str(PurePosixPath(part.path).with_suffix("")), source, text)
