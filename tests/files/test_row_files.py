"""A file's rows are the same in every format; what is not read is named by its kind; no more is read than is asked for."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import feather

import datasets
from summpo.errors import UserError
from summpo.files.jsonl import RowFault, SourceRow, strictly
from summpo.files.rows import rows_of_file

ROWS = [{"document": "Eins, zwei;\n„drei“", "summary": "s1"}, {"document": "d2", "summary": ""}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = '\ufeffdocument,summary\r\n"Eins, zwei;\n„drei“",s1\r\nd2,\r\n'.encode()


def zstd(content: bytes) -> bytes:
    return pyarrow.Codec("zstd").compress(content, asbytes=True)


def saved(save: Callable[[datasets.Dataset, Path], Any]) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        save(datasets.Dataset.from_list(ROWS), folder / "made")
        made = folder / "made"
        return (made if made.is_file() else next(made.glob("*.arrow"))).read_bytes()

    return content


def in_file_format(table: pyarrow.Table, file: Path) -> bytes:
    with pyarrow.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table, max_chunksize=1)
    return file.read_bytes()


FORMATS: dict[str, bytes | Callable[[Path], bytes]] = {
    "a.jsonl": LINES,
    "bom.jsonl": b"\xef\xbb\xbf" + LINES,
    "a.json": json.dumps(ROWS, indent=1).encode(),
    "array-in-lines.jsonl": b"\n" + json.dumps(ROWS).encode(),
    "lines-in-array.json": LINES,
    "a.csv": CSV,
    "b.csv": CSV.replace(b",s", b";s").replace(b"d2,", b"d2;"),
    "a.tsv": CSV.replace(b",s", b"\ts").replace(b"d2,", b"d2\t"),
    "a.jsonl.gz": gzip.compress(LINES),
    "named-otherwise.jsonl": gzip.compress(LINES),
    "a.jsonl.bz2": bz2.compress(LINES),
    "a.jsonl.xz": lzma.compress(LINES),
    "a.jsonl.zst": zstd(LINES),
    "a.csv.zst": zstd(CSV),
    "a.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "a.parquet": saved(lambda table, file: table.to_parquet(file)),
    "a.arrow": saved(lambda table, folder: table.save_to_disk(folder)),
    "file.arrow": saved(lambda table, file: in_file_format(table.data.table, file)),
    "named-otherwise.data": saved(lambda table, file: in_file_format(table.data.table, file)),
    "packed.arrow.gz": saved(
        lambda table, file: file.write_bytes(gzip.compress(in_file_format(table.data.table, file)))
    ),
    "a.feather": saved(lambda table, file: feather.write_feather(table.to_pandas(), str(file))),
    "zstd.feather": saved(lambda table, file: feather.write_feather(table.data.table, str(file), compression="zstd")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    content = FORMATS[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content(tmp_path))
    rows = list(strictly(rows_of_file(tmp_path / name)))
    assert [dict(row.columns) for row in rows] == ROWS
    assert all(row.place.startswith(f"{tmp_path / name}, ") for row in rows)


NOT_READ = {
    "sheet.xlsx": (b"PK\x03\x04...", " is a ZIP archive"),
    "rows.jsonl": (b"%PDF-1.7", " is a PDF"),
    "pointer.parquet": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", " is a pointer of Git LFS"),
    "page.json": (b"\n<!DOCTYPE html><html>", " is HTML or XML"),
    "wide.jsonl": ('{"a": 1}\n'.encode("utf-16"), " is text in UTF-16, not UTF-8"),
    "unmarked.jsonl": ('{"a": 1}\n'.encode("utf-16-le"), " is text in UTF-16, not UTF-8"),
    "unmarked.json": ('\n[{"a": 1}]'.encode("utf-16-be"), " is text in UTF-16, not UTF-8"),
    "unmarked.csv": ("document,summary\na,b\n".encode("utf-16-le"), " is text in UTF-16, not UTF-8"),
    "other-end.csv": ("document,summary\na,b\n".encode("utf-16-be"), " is text in UTF-16, not UTF-8"),
    "old.feather": (b"FEA1\0\0\0\0", " is a Feather file of the first version"),
    "base.json": (b"SQLite format 3\0", " is an SQLite data base"),
    "rows.tar": (b"\0" * 257 + b"ustar", " is a tar archive"),
    "array.npy": (b"\x93NUMPY", " is a NumPy array"),
    "prose.txt": (
        b"Once upon a time.\n",
        " is text of no kind that is read; what is read is JSON lines, a JSON array, CSV",
    ),
    "one.json": (b'{\n "a": 1,\n "b": [2]\n}\n', " is one JSON object over several lines; give an array of objects"),
    "several.json": (
        b'{\n "a": 1\n}\n{\n "a": 2\n}\n',
        " is JSON objects over several lines each; give an array of objects, or one object a line",
    ),
    "spoilt.json": (
        b'[\n{"a": 1},\n{"a": }]',
        " (a JSON array): malformed JSON (Expecting value at line 3, character 7)",
    ),
    "latin.json": (b'[{"a": "caf\xe9"}]', " (a JSON array): not UTF-8 (byte 0xe9 at 12)"),
    "twins.csv": (b"a,b,a\n1,2,3\n", ", line 1: two columns of the header have one name"),
    "empty.csv": (b"", " is empty"),
    "header.csv": (b"a,b\n", " is empty"),
    "empty.json": (b"[]", " is empty"),
    "cut.jsonl.zst": (zstd(LINES)[:-6], " cannot be read: "),
    "cut.jsonl.xz": (lzma.compress(LINES)[:-9], " cannot be read: "),
    "no.parquet": (b"PAR1", " cannot be read as Parquet: "),
    "no.arrow": (b"ARROW1", " cannot be read as Arrow: "),
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read_is_named_by_its_kind(name: str, tmp_path: Path) -> None:
    content, sentence = NOT_READ[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / name}{sentence}")):
        list(strictly(rows_of_file(tmp_path / name)))


def test_a_fault_is_told_by_its_line_and_the_next_row_is_read(tmp_path: Path) -> None:
    """A cell over two lines moves the lines below it; a blank line is no row."""
    (tmp_path / "a.csv").write_bytes(b'a,b\n"1\n1",2\n3\n\n4,"5"x\n6,\xff\n7,8\n')
    rows = list(rows_of_file(tmp_path / "a.csv"))
    told = [str(row).rpartition("/")[2] if isinstance(row, RowFault) else row.columns for row in rows]
    assert told == [
        {"a": "1\n1", "b": "2"},
        "a.csv, line 4: the number of cells is not the header's, got 1 for 2",
        "a.csv, line 6: malformed CSV (',' expected after '\"')",
        "a.csv, line 7: not UTF-8",
        {"a": "7", "b": "8"},
    ]
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"a": \n[1]\n{"a": "\xff"}\n{"a": 2}\n')
    kinds = [row.kind if isinstance(row, RowFault) else row.number for row in rows_of_file(tmp_path / "a.jsonl")]
    assert kinds == [1, "malformed JSON", "must be a JSON object", "not UTF-8", 5]
    (tmp_path / "a.json").write_bytes(b'[{"a": 1}, 5]')
    assert str(list(rows_of_file(tmp_path / "a.json"))[1]).endswith("a.json, row 1: must be a JSON object, got 5")


def test_cells_spell_numbers_ids_and_choices(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,score,choice,text,none\n7,0.5,1,x,\n,,,,\nb,much,2,,\n")
    first, empty, wrong = strictly(rows_of_file(tmp_path / "a.csv"))
    assert (first.optional_id("id"), first.optional_number("score"), first.choice("choice")) == ("7", 0.5, 1)
    assert (empty.optional_id("id"), empty.optional_number("score"), empty.optional_choice("choice")) == (None,) * 3
    assert (empty.text("text"), first.optional_number("none")) == ("", None)
    for read, column in ((SourceRow.optional_number, "score"), (SourceRow.choice, "choice")):
        with pytest.raises(RowFault, match=f"line 4: column {column} must be"):
            read(wrong, column)
    (tmp_path / "long.csv").write_text("text\n" + "x" * 200_000)
    assert len(next(iter(strictly(rows_of_file(tmp_path / "long.csv")))).text("text")) == 200_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gz", "zst"])
def test_what_is_not_asked_for_is_not_read(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Ten rows of a file that is spoilt further down."""
    noise = bytes(range(256)) * 4000
    content = pack(b'{"a": 1}\n' * 200_000 + noise)
    (tmp_path / "a.jsonl").write_bytes(content[: len(content) - 20])
    rows = islice(rows_of_file(tmp_path / "a.jsonl"), 10)
    assert [row.number for row in strictly(rows)] == list(range(1, 11))


def test_columns_of_mixed_json_in_parquet(tmp_path: Path) -> None:
    """`datasets` stores such a column as text, and says so in the file."""
    features = datasets.Features({"a": datasets.Json()})
    values = [{"a": {"x": 1}}, {"a": {"x": "one", "y": [2]}}]
    datasets.Dataset.from_list(values, features=features).to_parquet(tmp_path / "a.parquet")
    assert [dict(row.columns) for row in strictly(rows_of_file(tmp_path / "a.parquet"))] == values


def test_csv_of_other_programs(tmp_path: Path) -> None:
    """Lines that end in \\r alone, names with spaces around them, and a tab-separated cell that begins with a quote."""
    mac, tabs = tmp_path / "mac.csv", tmp_path / "rows.tsv"
    mac.write_bytes(b"document, summary\rd1,s1\rd2,s2\r")
    tabs.write_bytes(b'document\tsummary\n"Doc" 0 said\ts1\n')
    assert [row.text("summary") for row in strictly(rows_of_file(mac))] == ["s1", "s2"]
    assert [row.text("summary") for row in strictly(rows_of_file(tabs))] == ["s1"]
