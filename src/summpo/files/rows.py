"""One file of rows: JSON lines, a JSON array, CSV, Parquet, Arrow or Feather, packed or not, read row by row.

What a file is, its first bytes say; its name only whether text is CSV. What is not read is named by its kind. A JSON
array is read whole, all else as far as its rows are asked for.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from summpo.errors import UserError, require
from summpo.files.jsonl import HALF_PAIR, Cell, RowFault, SourceRow, SourceRows, json_lines, parsed, row_of

TEXT_ENDINGS = (".jsonl", ".json", ".ndjson", ".csv", ".tsv")
PACKED_ENDINGS = (".gz", ".zst", ".xz", ".bz2")
ENDINGS = (
    *(*TEXT_ENDINGS, ".parquet", ".arrow", ".feather"),
    *(text + packed for packed in PACKED_ENDINGS for text in TEXT_ENDINGS),
)
"""What the names of files of rows end in, in the order in which a folder is searched."""
KINDS = "JSON lines, a JSON array, CSV, Parquet, Arrow or Feather, perhaps packed (.gz, .zst, .xz, .bz2)"

NOT_READ = {
    rb"PK[\x03\x05]": "a ZIP archive (a spreadsheet is one too)",
    rb"%PDF": "a PDF",
    rb"version https://git-lfs": "a pointer of Git LFS, not the file itself: git lfs pull fetches it",
    rb"\s*<": "HTML or XML",
    rb"SQLite format 3": "an SQLite data base",
    rb"\x93NUMPY": "a NumPy array",
    rb"\x89HDF": "an HDF5 file",
    rb"7z\xbc\xaf": "a 7z archive",
    rb"Rar!": "a RAR archive",
    rb"ORC": "an ORC file",
    rb"Obj\x01": "an Avro file",
    rb"\x80[\x02-\x05]": "a pickle",
    rb"\xd0\xcf\x11\xe0": "an old Office file",
    rb"\xff\xfe|\xfe\xff|(?:[\t-~]\x00){2}|(?:\x00[\t-~]){2}": "text in UTF-16, not UTF-8",
    rb"FEA1": "a Feather file of the first version",
    rb"(?s).{257}ustar": "a tar archive",
}
"""How the files begin that hold rows, or may seem to, and are not read."""


def rows_of_file(path: Path) -> SourceRows:
    """The rows of a file, in order, or why one is none; a line that cannot be read is named by its number.

    Raises:
        UserError: the file cannot be read, is of no kind that is read, or holds no row.
    """
    is_empty = True
    try:
        with opened(path) as file:
            for row in _rows(file, path):
                is_empty = False
                yield row
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:  # the last three: cut short or spoilt
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    require(not is_empty, f"{path} is empty")


def opened(path: Path) -> IO[bytes]:
    """The file's content, unpacked as it is read."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)  # type: ignore[return-value]
    if head.startswith(b"BZh"):
        return bz2.open(path)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(path)
    if head.startswith(b"(\xb5/\xfd"):
        import pyarrow

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def _rows(file: IO[bytes], path: Path) -> SourceRows:
    """The rows of an open file, by what it holds."""
    head = file.peek(512)[:512]  # type: ignore[attr-defined]
    kind = next((name for start, name in NOT_READ.items() if re.match(start, head)), None)
    require(kind is None, f"{path} is {kind}; what is read is {KINDS}")
    text, endings = head.removeprefix(b"\xef\xbb\xbf").lstrip(), {ending.lower() for ending in path.suffixes[-2:]}
    if head.startswith(b"PAR1") or path.suffix == ".parquet":
        return _parquet(file, path)
    if head.startswith(b"ARROW1"):
        return _arrow_file(file, path)
    if head.startswith(b"\xff\xff\xff\xff") or path.suffix == ".arrow":
        return _arrow_stream(path)
    if text.startswith(b"["):
        return _array(file, path)
    if not text.startswith(b"{") and endings & {".csv", ".tsv"}:
        return _csv(file, path)
    is_json = not text or text.startswith(b"{") or bool(endings & {".jsonl", ".json", ".ndjson"})
    require(is_json, f"{path} is text of no kind that is read; what is read is {KINDS}")
    return _lines(file, path)


def _lines(file: IO[bytes], path: Path) -> SourceRows:
    for row in json_lines(file, str(path)):
        if isinstance(row, RowFault) and row.place.endswith(", line 1"):
            _require_one_a_line(path)
        yield row


def _require_one_a_line(path: Path) -> None:
    """Stops at a file that begins with a JSON object over several lines."""
    with opened(path) as file:
        text = file.read().decode("utf-8-sig", "replace").lstrip()
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return  # what is wrong with the first line is its fault
    if isinstance(found, dict) and "\n" in text[:end]:
        has_more = bool(text[end:].strip())
        kind = "JSON objects over several lines each" if has_more else "one JSON object over several lines"
        layout = "" if has_more else SourceRow("", 0, found).layout("")
        raise UserError(f"{path} is {kind}{layout}; give an array of objects, or one object a line")


def _array(file: IO[bytes], path: Path) -> SourceRows:
    for number, value in enumerate(parsed(file.read().removeprefix(b"\xef\xbb\xbf"), f"{path} (a JSON array)")):
        try:
            yield row_of(value, f"{path}, row {number}", number)
        except RowFault as fault:
            yield fault


def _csv(file: IO[bytes], path: Path) -> SourceRows:
    """Rows under a header; the separator is the one of comma, semicolon and tab that the header has most of."""
    csv.field_size_limit(sys.maxsize)  # else documents of more than 131,072 characters are refused
    lines = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")  # \r alone ends a line, too
    header = next(lines, "").removeprefix("\ufeff")
    separator = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
    require(len(set(names)) == len(names), f"{path}, line 1: two columns of the header have one name")
    reader, start = csv.reader(lines, delimiter=separator, strict=separator != "\t"), 2
    while True:
        place, start_of_row = f"{path}, line {start}", start
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            start = reader.line_num + 2
            yield RowFault(place, f"malformed CSV ({error})")
            continue
        start = reader.line_num + 2
        if len(cells) != len(names):
            if cells:  # a blank line is no row
                yield RowFault(place, f"the number of cells is not the header's, got {len(cells)} for {len(names)}")
        elif any(HALF_PAIR.search(cell) for cell in cells):
            yield RowFault(place, "not UTF-8")
        else:
            yield SourceRow(place, start_of_row, dict(zip(names, map(Cell, cells), strict=True)))


def _seekable(file: IO[bytes]) -> IO[bytes]:
    """The file, or what it holds, where it can be read from front to back alone."""
    return file if isinstance(file, io.BufferedReader) and file.seekable() else io.BytesIO(file.read())


def _parquet(file: IO[bytes], path: Path) -> SourceRows:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(_seekable(file))
        decode = _decoder(table.schema_arrow)
        batches = (batch.to_pylist() for batch in table.iter_batches(batch_size=256))
        yield from _numbered((decode(columns) for batch in batches for columns in batch), path)
    except (ArrowException, ValueError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {' '.join(str(error).split())}") from error


def _arrow_file(file: IO[bytes], path: Path) -> SourceRows:
    """The rows of Arrow's file format, which pandas and Polars write as Feather."""
    from pyarrow import ArrowException
    from pyarrow.ipc import open_file

    try:
        table = open_file(_seekable(file))
        decode = _decoder(table.schema)
        batches = map(table.get_batch, range(table.num_record_batches))
        parts = (part.slice(start, 256) for part in batches for start in range(0, part.num_rows, 256))
        yield from _numbered((decode(columns) for part in parts for columns in part.to_pylist()), path)
    except (ArrowException, ValueError) as error:
        raise UserError(f"{path} cannot be read as Arrow: {' '.join(str(error).split())}") from error


def _arrow_stream(path: Path) -> SourceRows:
    """The rows of Arrow's stream format, in which `datasets` saves."""
    import datasets

    try:
        yield from _numbered(datasets.Dataset.from_file(str(path)), path)
    except Exception as error:  # the library's errors and those below it share no narrower class
        raise UserError(f"{path} cannot be read as Arrow: {' '.join(str(error).split())}") from error


def _numbered(columns_of_rows: Any, path: Path) -> Iterator[SourceRow]:
    for number, columns in enumerate(columns_of_rows):
        yield SourceRow(f"{path}, row {number}", number, columns)


def _decoder(schema: Any) -> Any:
    """What undoes the storage of `datasets`, which spells columns of mixed JSON as text."""
    if b'"Json"' not in (schema.metadata or {}).get(b"huggingface", b""):
        return lambda columns: columns
    import datasets

    return datasets.Features.from_arrow_schema(schema).decode_example
