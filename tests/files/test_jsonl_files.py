"""Every fault of a JSONL file is one sentence with the file, the line and the column."""

import re
from pathlib import Path
from typing import Any

import pytest

from summpo.errors import UserError
from summpo.files.jsonl import SourceRow, read_jsonl


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_rows_keep_their_line_numbers(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a": "1"}\r\n\n  \n{"a": "\xe2\x80\xa8 is no line end"}')
    rows = read_jsonl(file)
    assert [(row.number, row.text("a")) for row in rows] == [(1, "1"), (4, "\u2028 is no line end")]
    assert rows[1].place == f"{file}, line 4"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", " is empty"),
        (b"\n \n", " is empty"),
        (b'{"a": 1}\n{"a": }\n', ", line 2: malformed JSON (Expecting value at character 7)"),
        (b'{"a": 1}\n{"a": 1', ", line 2: malformed JSON (Expecting ',' delimiter at character 8)"),
        (b'{"a": 1} {"a": 2}\n', ", line 1: malformed JSON (Extra data at character 10)"),
        (b'\n{"a": "caf\xe9"}\n', ", line 2: not UTF-8 (byte 0xe9 at 11)"),
        (b"[1, 2]\n", ", line 1: must be a JSON object, got [1, 2]"),
        (b"null\n", ", line 1: must be a JSON object, got None"),
    ],
)
def test_faults_of_files(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = write(tmp_path / "a.jsonl", content)
    with pytest.raises(UserError, match=re.escape(f"{file}{sentence}") + "$"):
        read_jsonl(file)


@pytest.mark.parametrize("line", [b'{"a": ' + b"9" * 5000 + b"}", b'{"a": ' + b"[" * 100_000])
def test_absurd_json_is_malformed(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(UserError, match="line 1: malformed JSON"):
        read_jsonl(write(tmp_path / "a.jsonl", line))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl cannot be read: No such file or directory$"):
        read_jsonl(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory$"):
        read_jsonl(tmp_path)


COLUMNS: dict[str, Any] = {
    "null": None,
    "number": 5,
    "nan": float("nan"),
    "true": True,
    "blank": " \n",
    "half": "a \ud83d",
    "none": [],
    "mixed": ["a", 5],
    "long": ["x" * 1000],
    "nested": {"texts": [{"text": "a"}]},
}
ROW = SourceRow("f, line 7", 7, COLUMNS)


def test_columns_of_nested_values() -> None:
    assert ROW.text("nested.texts.0.text") == "a"
    assert [ROW.value(column) for column in ("nested.texts.1.text", "nested.no", "number.x", "none.x")] == [None] * 4
    assert ROW.optional_id("number") == "5"
    assert ROW.optional_number("number") == 5.0
    assert ROW.optional_number("null") is ROW.optional_text("null") is ROW.optional_id("no") is None
    assert ROW.text("blank") == " \n"


@pytest.mark.parametrize(
    ("read", "column", "sentence"),
    [
        (SourceRow.text, "no", "column no is missing or null"),
        (SourceRow.text, "null", "column null is missing or null"),
        (SourceRow.text, "number", "column number must be text, got 5"),
        (SourceRow.text, "long", "column long must be text, got ['xxxxxxxxxxxx...xxxxxxxxxxxxx']"),
        (SourceRow.text, "half", r"column half holds half of a surrogate pair, '\ud83d'"),
        (SourceRow.filled_text, "blank", "column blank is empty"),
        (SourceRow.texts, "no", "column no is missing or null"),
        (SourceRow.texts, "none", "column none must be a list of texts, got []"),
        (SourceRow.texts, "blank", r"column blank must be a list of texts, got ' \n'"),
        (SourceRow.texts, "mixed", "column mixed.1 must be text, got 5"),
        (SourceRow.optional_number, "nan", "column nan must be a finite number, got nan"),
        (SourceRow.optional_number, "true", "column true must be a finite number, got True"),
        (SourceRow.optional_number, "blank", r"column blank must be a finite number, got ' \n'"),
        (SourceRow.optional_id, "true", "column true must be text, got True"),
    ],
)
def test_faults_of_columns(read: Any, column: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(ROW, column)
    assert str(caught.value) == f"f, line 7: {sentence}"
