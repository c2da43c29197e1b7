"""The documents that a user points at: a text, a file of rows, a folder of texts, or what comes on stdin.

What cannot be read raises a `UserError` that names it. Knows no data set and no model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from summpo.datasets import unique_ids
from summpo.errors import UserError, require
from summpo.files.hub_or_folder import files_left_out
from summpo.files.jsonl import SourceRow, strictly
from summpo.files.rows import ENDINGS, rows_of_file
from summpo.text.rows import SummaryRow
from summpo.text.tokens import place_of

STDIN = "-"
TEXTS = (".txt", ".md", ".rst", ".tex")
KINDS = (
    "a text (.txt, .md, .rst, .tex), rows (.jsonl, .json, .csv, .parquet; .gz, .zst), a folder of texts, or - for stdin"
)


def is_one_text(source: str) -> bool:
    """Whether a source is a single document, whose summary can be printed.

    Raises:
        UserError: there is nothing.
    """
    return source == STDIN or not (_there(source).is_dir() or _holds_rows(Path(source)))


def read_documents(source: str, stdin: BinaryIO | None = None) -> list[SummaryRow]:
    """The documents of a source, each with an id of its own; a text's id is its path in the folder, or its name.

    Rows have the column document (or text, or a ready prompt), and may have id and, to be measured against, summary,
    reference or references.

    Args:
        stdin: what - stands for; by default the process's own.

    Raises:
        UserError: naming the file, line and column that cannot be used, or the config key input.
    """
    if source == STDIN:
        return [_of_bytes((stdin or sys.stdin.buffer).read(), "stdin", "stdin")]
    path = _there(source)
    if path.is_dir():
        return _of_folder(path)
    if _holds_rows(path):
        return _of_rows(list(strictly(rows_of_file(path))))
    require(
        path.suffix.lower() in (*TEXTS, ""), f"{path} is of a kind that is not read: give {KINDS} (config key input)"
    )
    return [_of_text(path, path.name)]


def require_references(rows: Sequence[SummaryRow]) -> None:
    """Checks that there is something to measure each summary against.

    Raises:
        UserError: naming the first document that has no reference.
    """
    lacking = next((row for row in rows if not any(filter(str.strip, [row.summary, *row.references]))), None)
    if lacking is not None:
        raise UserError(
            f"{place_of(lacking)}: has no summary, reference or references to measure against (generate needs none)"
        )


def _there(source: str) -> Path:
    path = Path(source).expanduser()
    require(bool(source.strip()) and path.exists(), f"nothing is at {source!r} to summarise (config key input)")
    return path


def _holds_rows(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS)


def _of_folder(folder: Path) -> list[SummaryRow]:
    """The texts in a folder and below it, by their paths. Hidden files are passed over; of other kinds it is said."""
    inside = [(path, path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    seen = [(path, str(name)) for path, name in inside if not any(part.startswith(".") for part in name.parts)]
    found = [(path, name) for path, name in seen if path.suffix.lower() in TEXTS]
    require(
        bool(found),
        f"folder {folder} has no text ({', '.join(TEXTS)}); a folder of JSONL files is read by dataset=jsonl "
        f"dataset.path={folder} (config key input)",
    )
    files_left_out(str(folder), [name for path, name in seen if path.suffix.lower() not in TEXTS], len(seen), TEXTS)
    return [_of_text(path, name) for path, name in found]


def _of_text(path: Path, name: str) -> SummaryRow:
    try:
        return _of_bytes(path.read_bytes(), name, str(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {(error.strerror or str(error)).lower()} (config key input)") from None


def _of_bytes(content: bytes, name: str, place: str) -> SummaryRow:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{content[error.start]:02x} at {error.start + 1}"
        raise UserError(f"{place}: is no text in UTF-8 ({byte}) (config key input)") from None
    require("\0" not in text, f"{place}: is no text, it holds a zero byte (config key input)")
    require(bool(text.strip()), f"{place}: is empty (config key input)")
    return SummaryRow(name, text, "", place=place)


def _of_rows(rows: Sequence[SourceRow]) -> list[SummaryRow]:
    names = unique_ids(row.optional_id("id") or f"row-{row.number}" for row in rows)
    return [_of_row(row, name) for row, name in zip(rows, names, strict=True)]


def _of_row(row: SourceRow, name: str) -> SummaryRow:
    columns = [column for column in ("document", "text", "prompt") if row.value(column) is not None]
    if not columns:
        raise row.fault(f"columns document, text and prompt are all missing or null{row.layout('document')}")
    summary = row.optional_text("summary") or ""
    reference = row.optional_text("reference") or ""
    references = row.texts("references") if row.value("references") else []
    return SummaryRow(
        id=name,
        document=row.filled_text(columns[0]),
        summary=summary,
        references=tuple(dict.fromkeys(filter(str.strip, [reference, *references])))
        or tuple(filter(str.strip, [summary])),
        prompt=row.optional_text("prompt"),
        place=row.place,
    )
