"""The files under a path, listed and opened through datatrove's folders: local, or what fsspec has a protocol for.

Knows names, sizes and bytes, and nothing of what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from summpo.documents import PART_BYTES, SourcePart
from summpo.errors import UserError, require
from summpo.files.hub_or_folder import files_left_out
from summpo.files.jsonl import HALF_PAIR

if TYPE_CHECKING:
    from datatrove.io import DataFolder

PACKED = (".gz", ".zst", ".bz2", ".xz")
"""Endings of files that are unpacked as they are read, and cannot be cut."""
KEYS = "(config key documents.path, or test_documents)"


@dataclass(frozen=True)
class Place:
    """A file, or a folder with all in it."""

    path: str
    suffixes: tuple[str, ...]
    """Endings of the files that count, in a folder; a packed one may have one of `PACKED` behind it."""

    def parts(self, can_be_cut: bool = False) -> list[SourcePart]:
        """Its files by name, those that can be cut in parts of about `PART_BYTES`.

        Hidden ones are passed over; how many others do not count is said.

        Raises:
            UserError: there is nothing, or no such file in the folder, or it cannot be listed.
        """
        folder, only = located(self.path)
        try:
            infos: dict[str, Any] = {only: folder.info(only)} if only else folder.find("", detail=True)  # type: ignore[assignment]
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path} cannot be listed: {reason_of(error)} {KEYS}") from None
        require(bool(infos), f"there is no file or folder {self.path}, or nothing in it {KEYS}")
        seen = [name for name in sorted(infos) if only or not _is_hidden(name)]
        infos = {name: infos[name] for name in seen if only or self._counts(name)}
        endings = " or ".join(self.suffixes)
        require(bool(infos), f"the folder {self.path} has no file that ends in {endings} {KEYS}")
        files_left_out(self.path, [name for name in seen if name not in infos], len(seen), self.suffixes)
        parts = []
        odd = next(filter(HALF_PAIR.search, infos), None)
        require(odd is None, f"{self.path} has a file whose name is not UTF-8, {odd!a} {KEYS}")
        for name, info in infos.items():
            size = int(info["size"] or 0)
            stamp = f"{size} {info.get('mtime', '')}".strip()
            is_cut = can_be_cut and not name.endswith(PACKED)
            for start in range(0, size, PART_BYTES) if is_cut else [0]:
                end = min(size, start + PART_BYTES) if is_cut else size
                parts.append(SourcePart(name, start, end, end - start, stamp))
        return parts

    def _counts(self, name: str) -> bool:
        bare = next((name.removesuffix(ending) for ending in PACKED if name.endswith(ending)), name)
        return bare.endswith(self.suffixes)

    def full(self, name: str) -> str:
        """A file's whole path, as sentences name it."""
        folder, _ = located(self.path)
        return str(folder.resolve_paths(name))

    def source_of(self, name: str) -> str:
        """What the documents of a file are named after: the folder in which it lies under the path, else the path."""
        inside = PurePosixPath(name).parts[:-1]
        if inside:
            return inside[0]
        return PurePosixPath(self.path.rstrip("/")).name.split(".")[0] or PurePosixPath(name).name.split(".")[0]

    @contextmanager
    def opened(self, name: str, is_packed: bool = False) -> Iterator[IO[bytes]]:
        """A file to read bytes from; a packed one is unpacked.

        Raises:
            UserError: it cannot be opened, or not be read to its end.
        """
        folder, _ = located(self.path)
        try:
            with folder.open(name, "rb", compression="infer" if is_packed else None) as file:
                yield file
        # EOFError, zlib.error and lzma's: what a packed file that is cut short or spoilt raises
        except (OSError, EOFError, ValueError, *unpacking_errors()) as error:
            raise UserError(f"{self.full(name)} cannot be read: {reason_of(error)}") from error


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def unpacking_errors() -> tuple[type[Exception], ...]:
    """What spoilt packed files raise beside OSError."""
    import lzma
    import zlib

    return (zlib.error, lzma.LZMAError)


def reason_of(error: BaseException) -> str:
    """An error's reason on one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


@lru_cache(maxsize=16)
def located(path: str) -> tuple[DataFolder, str | None]:
    """The folder at a path and None, or the folder of the file at it and that file's name."""
    from datatrove.io import DataFolder

    if "://" not in path:
        local = Path(path).expanduser()
        return (DataFolder(str(local.parent)), local.name) if local.is_file() else (DataFolder(str(local)), None)
    folder = DataFolder(path)
    if folder.fs.isfile(folder.path):
        above, _, name = path.rpartition("/")
        return DataFolder(above), name
    return folder, None
