"""Documents that a user points at: which are read, by which names, and the one sentence about the others."""

import gzip
import io
import json
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.text.rows import SummaryRow
from summpo.writing.given_documents import is_one_text, read_documents, require_references


def jsonl(file: Path, *rows: dict) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def test_a_text(tmp_path: Path) -> None:
    file = tmp_path / "päper.md"
    file.write_bytes("\ufeff# Title\r\nText.".encode())
    assert read_documents(str(file)) == [SummaryRow("päper.md", "# Title\r\nText.", "")]
    assert is_one_text(str(file))


def test_stdin() -> None:
    assert read_documents("-", io.BytesIO("Grüße.".encode())) == [SummaryRow("stdin", "Grüße.", "")]
    assert is_one_text("-")


def test_a_folder_of_texts_by_their_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.txt", "a/c.md", "a/B.TEX", ".hidden/d.txt", "e.pdf", "a/.f.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"Text of {name}.", "utf-8")
    assert [(row.id, row.document) for row in read_documents(str(tmp_path))] == [
        ("a/B.TEX", "Text of a/B.TEX."),
        ("a/c.md", "Text of a/c.md."),
        ("b.txt", "Text of b.txt."),
    ]
    assert not is_one_text(str(tmp_path))
    only = "only .txt, .md, .rst, .tex are read\n"
    assert capsys.readouterr().out == f"{tmp_path}: 1 of 4 files is left out, e.pdf the first: {only}"
    (tmp_path / "a" / "two\nlines").touch()
    read_documents(str(tmp_path))
    assert capsys.readouterr().out == f"{tmp_path}: 2 of 5 files are left out, 'a/two\\nlines' the first: {only}"
    (tmp_path / "a" / "two\nlines").unlink()
    (tmp_path / "e.pdf").unlink()
    read_documents(str(tmp_path))
    assert capsys.readouterr().out == ""


def test_rows(tmp_path: Path) -> None:
    """Each row is a document, also where two are the same text; what it is measured against is optional."""
    file = jsonl(
        tmp_path / "rows.jsonl",
        {"id": "one", "document": "First.", "summary": "1"},
        {"text": "Second.", "references": ["2", "zwei"], "reference": "II"},
        {"id": 3, "document": "First."},
        {"id": "one", "prompt": "A ready prompt"},
    )
    assert read_documents(str(file)) == [
        SummaryRow("one", "First.", "1", ("1",)),
        SummaryRow("row-2", "Second.", "", ("II", "2", "zwei")),
        SummaryRow("3", "First.", ""),
        SummaryRow("one#3", "A ready prompt", "", prompt="A ready prompt"),
    ]
    assert not is_one_text(str(file))
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read_documents(str(packed)) == read_documents(str(file))


def test_parquet(tmp_path: Path) -> None:
    import datasets

    file = tmp_path / "rows.parquet"
    datasets.Dataset.from_dict({"text": ["One.", "Two."], "id": ["a", "b"]}).to_parquet(str(file))
    assert read_documents(str(file)) == [SummaryRow("a", "One.", ""), SummaryRow("b", "Two.", "")]


def test_real_documents(shared_data: Path) -> None:
    rows = read_documents(str(shared_data / "documents" / "train.jsonl"))
    assert len(rows) == 1500 and len({row.id for row in rows}) == 1500
    require_references(read_documents(str(shared_data / "long_documents" / "test.jsonl")))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"caf\xe9", r"a\.txt: is no text in UTF-8 \(byte 0xe9 at 4\) \(config key input\)"),
        ("a.txt", b"a\0b", r"a\.txt: is no text, it holds a zero byte"),
        ("a.txt", b" \n", r"a\.txt: is empty"),
        ("a.pdf", b"%PDF", r"a\.pdf is of a kind that is not read: give a text \(\.txt, \.md"),
        ("a.json", b"{}", r"a\.json, line 1: columns document, text and prompt are all missing or null"),
        ("a.docx", b"PK", r"a\.docx is of a kind that is not read"),
        ("a.jsonl", b"", r"a\.jsonl is empty"),
        ("a.jsonl", b'{"x": 1}\n', r"a\.jsonl, line 1: columns document, text and prompt are all missing or null"),
        ("a.jsonl", b'{"document": "x"}\n{"document": " "}\n', r"a\.jsonl, line 2: column document is empty"),
        ("a.jsonl", b'{"document": 3}\n', r"a\.jsonl, line 1: column document must be text, got 3"),
        ("a.parquet", b"no", r"a\.parquet cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_documents(str(tmp_path / name))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing is at '.*x\.txt' to summarise \(config key input\)"):
        read_documents(str(tmp_path / "x.txt"))
    with pytest.raises(UserError, match="nothing is at '' to summarise"):
        read_documents("")
    jsonl(tmp_path / "train.jsonl", {"document": "x", "summary": "y"})
    with pytest.raises(UserError, match=r"has no text .*a folder of JSONL files is read by dataset=jsonl"):
        read_documents(str(tmp_path))


def test_one_bad_text_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Good.", "utf-8")
    (tmp_path / "spoilt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"spoilt\.txt: is no text in UTF-8"):
        read_documents(str(tmp_path))


def test_nothing_to_measure_against(tmp_path: Path) -> None:
    rows = read_documents(
        str(jsonl(tmp_path / "r.jsonl", {"document": "x", "summary": "y"}, {"id": "b", "document": "z"}))
    )
    require_references(rows[:1])
    with pytest.raises(UserError, match=r"r\.jsonl, line 2 \(row b\): has no summary, reference or references"):
        require_references(rows)
