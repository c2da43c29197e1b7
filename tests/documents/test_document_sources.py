"""Every source gives the same documents from the same rows, in any cut, and names file and row of what is wrong."""

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from summpo.config.nodes import from_target
from summpo.config.tree import conf_dir
from summpo.documents import DocumentSource, FaultyRow, SourcePart
from summpo.documents.folder import Folder
from summpo.documents.hub import Hub
from summpo.documents.jsonl import Jsonl
from summpo.documents.parquet import Parquet
from summpo.errors import UserError
from summpo.text.documents import Document

ROWS = [
    {"id": "a", "source": "arxiv", "text": "one", "meta": {"text": "within one"}},
    {"id": 2, "source": None, "text": "two\u2028still two", "meta": {"text": "within two"}},
    {"id": None, "source": "wiki", "text": "", "meta": {"text": "within three"}},
]
TEXTS = [row["text"] for row in ROWS]


def jsonl(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (ROWS if rows is None else rows)), "utf-8"
    )
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def all_of(source: DocumentSource) -> list[Document | FaultyRow]:
    return [found for part in source.parts() for found in source.documents(part)]


AS_TEXT_IDS = [{**row, "id": None if row["id"] is None else str(row["id"])} for row in ROWS]
SAME: dict[str, Callable[[Path], DocumentSource]] = {
    "jsonl": lambda folder: Jsonl(str(jsonl(folder / "rows.jsonl").parent)),
    "parquet": lambda folder: Parquet(str(parquet(folder / "rows.parquet", AS_TEXT_IDS).parent)),
    "hub": lambda folder: Hub(str(parquet(folder / "rows.parquet", AS_TEXT_IDS).parent)),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_rows_are_the_same_documents(tmp_path: Path, kind: str) -> None:
    """What a row does not say comes from where it lies; an empty text comes through, to be counted."""
    found = all_of(SAME[kind](tmp_path / "news"))
    assert [one.text.strip() if isinstance(one, Document) else one for one in found] == TEXTS
    documents = [one for one in found if isinstance(one, Document)]
    assert [one.source for one in documents] == ["arxiv", "news", "wiki"]
    assert [one.id for one in documents[:2]] == ["a", "2"]
    assert re.fullmatch(r"(rows\.\w+|news)@(00000/)?\d+", documents[2].id)


@pytest.mark.parametrize("kind", SAME)
def test_columns_may_be_nested_or_named_otherwise(tmp_path: Path, kind: str) -> None:
    source = SAME[kind](tmp_path / "news")
    made = type(source)(path=str(tmp_path / "news"), text="meta.text", id="source", source=None, source_name="mine")  # type: ignore[call-arg]
    found = all_of(made)
    assert [one.text for one in found if isinstance(one, Document)] == ["within one", "within two", "within three"]
    assert [one.source for one in found if isinstance(one, Document)] == ["mine"] * 3
    assert isinstance(found[0], Document) and found[0].id == "arxiv"


@pytest.mark.parametrize("kind", SAME)
def test_a_row_without_its_text_is_a_fault_with_its_place(tmp_path: Path, kind: str) -> None:
    source = SAME[kind](tmp_path / "news")
    faults = all_of(type(source)(path=str(tmp_path / "news"), text="body"))  # type: ignore[call-arg]
    assert all(isinstance(one, FaultyRow) for one in faults) and len(faults) == 3
    place = r"line 2" if kind == "jsonl" else r"row 1"
    assert isinstance(faults[1], FaultyRow)
    assert re.search(rf"news.*, {place}: column body is missing or null$", faults[1].sentence)


@pytest.mark.parametrize("kind", SAME)
def test_limit(tmp_path: Path, kind: str) -> None:
    source = SAME[kind](tmp_path / "news")
    assert len(all_of(type(source)(path=str(tmp_path / "news"), limit=2))) == 2  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def odd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long lines, short ones, blank ones, a byte order mark, and no line end at the end."""
    rows = [{"text": "x" * n} for n in (0, 1, 50, 3, 120, 0, 7)]
    content = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows[:4]) + "\r\n"
    content += "\n".join(json.dumps(row) for row in rows[4:])
    path = tmp_path_factory.mktemp("odd") / "odd.jsonl"
    path.write_bytes(content.encode())
    return path


@given(st.data())
def test_any_cut_of_a_file_gives_each_line_once(odd_file: Path, data: st.DataObject) -> None:
    size = odd_file.stat().st_size
    cuts = sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=6))})
    source = Jsonl(str(odd_file))
    whole = list(source.documents(SourcePart("odd.jsonl", 0, size, size, "")))
    assert len(whole) == 7
    parts = [SourcePart("odd.jsonl", start, end, end - start, "") for start, end in pairwise(cuts)]
    assert [found for part in parts for found in source.documents(part)] == whole


@given(st.integers(0, 400))
def test_a_fault_has_the_files_line_wherever_its_part_begins(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.jsonl"
    lines = [json.dumps({"text": "x" * n}) for n in (30, 5, 80)]
    path.write_text("\n".join([*lines, "{broken", *lines]), "utf-8")
    size = path.stat().st_size
    cut = min(cut, size)
    source = Jsonl(str(path))
    parts = [SourcePart("broken.jsonl", 0, cut, cut, ""), SourcePart("broken.jsonl", cut, size, size - cut, "")]
    (fault,) = [one for part in parts for one in source.documents(part) if isinstance(one, FaultyRow)]
    assert fault.sentence.startswith(f"{path}, line 4: malformed JSON (")


def test_large_files_are_cut_and_packed_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summpo.documents.files.PART_BYTES", 100)
    plain = jsonl(tmp_path / "a" / "rows.jsonl")
    packed = tmp_path / "a" / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "a" / ".hidden.jsonl").write_text("{")
    source = Jsonl(str(tmp_path / "a"))
    parts = source.parts()
    assert [(part.path, part.start) for part in parts] == [
        ("more.jsonl.gz", 0),
        ("rows.jsonl", 0),
        ("rows.jsonl", 100),
        ("rows.jsonl", 200),
    ]
    assert [one.text for one in all_of(source) if isinstance(one, Document)] == TEXTS * 2
    assert [one.source for one in all_of(Jsonl(str(packed), source=None)) if isinstance(one, Document)] == ["more"] * 3
    assert len(Jsonl(str(tmp_path / "a"), limit=1).parts()) == 2


def test_sources_by_folder(tmp_path: Path) -> None:
    """RedPajama as it is published: a folder a source, and no column that says which."""
    for name in ("wikipedia", "arxiv"):
        jsonl(tmp_path / "redpajama" / name / "part-0.jsonl", [{"text": name, "meta": {}}])
    found = all_of(Jsonl(str(tmp_path / "redpajama"), id=None))
    assert found == [Document("part-0.jsonl@0", "arxiv", "arxiv"), Document("part-0.jsonl@0", "wikipedia", "wikipedia")]


def test_a_folder_of_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"b.md": "second", "notes/a.txt": "third", "a.txt": "\ufefffirst", "c.pdf": "no"}.items():
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text, "utf-8")
    (tmp_path / "texts" / "d.txt").write_bytes(b"caf\xe9")
    assert all_of(Folder(str(tmp_path / "texts"))) == [
        Document("a", "texts", "first"),
        Document("b", "texts", "second"),
        FaultyRow(f"{tmp_path}/texts/d.txt: not UTF-8 (byte 0xe9 at 4)"),
        Document("notes/a", "notes", "third"),
    ]
    assert all_of(Folder(str(tmp_path / "texts" / "b.md"), source_name="mine")) == [Document("b", "mine", "second")]
    assert len(all_of(Folder(str(tmp_path / "texts"), limit=2))) == 2
    says = f"{tmp_path}/texts: 1 of 5 files is left out, c.pdf the first: only .txt, .md are read\n"
    assert capsys.readouterr().out == 2 * says, "of the file alone nothing"
    (tmp_path / "texts" / ".hidden.pdf").touch()
    Folder(str(tmp_path / "texts"), suffixes=[".txt", ".md", ".pdf"]).parts()
    assert capsys.readouterr().out == ""


def test_what_fsspec_opens() -> None:
    from fsspec import filesystem

    memory = filesystem("memory")
    memory.pipe("/bucket/wiki/rows.jsonl", b'{"text": "far away"}\n')
    try:
        assert all_of(Jsonl("memory://bucket")) == [Document("rows.jsonl@0", "wiki", "far away")]
        assert all_of(Jsonl("memory://bucket/wiki/rows.jsonl")) == [Document("rows.jsonl@0", "rows", "far away")]
    finally:
        memory.rm("/bucket", recursive=True)


class TestWhatCannotBeRead:
    @pytest.mark.parametrize("made", [Jsonl, Parquet, Folder])
    def test_nothing_there(self, tmp_path: Path, made: type) -> None:
        with pytest.raises(
            UserError,
            match=r"^there is no file or folder .*nowhere.*\(config key documents\.path, or test_documents\)$",
        ):
            made(str(tmp_path / "nowhere")).parts()
        (tmp_path / "other.csv").write_text("x")
        with pytest.raises(UserError, match=r"has no file that ends in \."):
            made(str(tmp_path)).parts()

    def test_a_name_that_is_not_utf_8(self, tmp_path: Path) -> None:
        (tmp_path / os.fsdecode(b"caf\xe9.jsonl")).write_text("{}")
        with pytest.raises(UserError, match=r"has a file whose name is not UTF-8, 'caf\\udce9\.jsonl'"):
            Jsonl(str(tmp_path)).parts()

    def test_a_packed_file_that_is_cut_short(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(b'{"text": "a"}\n' * 1000)[:40])
        with pytest.raises(UserError, match=r"^.*/a\.jsonl\.gz cannot be read: "):
            all_of(Jsonl(str(path)))

    def test_no_parquet(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_bytes(b"not at all")
        with pytest.raises(UserError, match=r"^.*/a\.parquet cannot be read as Parquet: "):
            all_of(Parquet(str(tmp_path)))

    def test_no_such_split(self, tmp_path: Path) -> None:
        parquet(tmp_path / "train.parquet", AS_TEXT_IDS)
        with pytest.raises(UserError, match="the split dev cannot be read: "):
            all_of(Hub(str(tmp_path), split="dev"))

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            (b"[1]", "must be a JSON object, got [1]"),
            (b'{"text": "caf\xe9"}', "not UTF-8 (byte 0xe9 at 14)"),
            (b'{"text": "half \\ud800"}', "column text holds half of a surrogate pair"),
            (b'{"text": 5}', "column text must be text, got 5"),
            (b'{"text": "a", "source": [1]}', "column source must be text"),
        ],
    )
    def test_lines_that_are_no_documents(self, tmp_path: Path, line: bytes, sentence: str) -> None:
        path = tmp_path / "a.jsonl"
        path.write_bytes(b'{"text": "fine"}\n' + line + b"\n")
        fine, fault = all_of(Jsonl(str(path)))
        assert isinstance(fine, Document) and isinstance(fault, FaultyRow)
        assert fault.sentence.startswith(f"{path}, line 2: {sentence}")


def test_a_data_set_in_shards_has_each_row_once(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": f"text {n}"} for n in range(7)]
    parquet(tmp_path / "one" / "train.parquet", rows)
    found = all_of(Hub(str(tmp_path / "one"), shards=3))
    assert sorted(one.id for one in found if isinstance(one, Document)) == [row["id"] for row in rows]


def yamls() -> Iterator[Any]:
    yield from sorted((conf_dir() / "documents").glob("*.yaml"))


@pytest.mark.parametrize("file", yamls(), ids=lambda file: file.stem)
def test_every_option_builds_and_says_what_the_code_says(file: Path) -> None:
    node = OmegaConf.load(file)
    assert OmegaConf.is_missing(node, "path")
    node.path = "somewhere"
    built = from_target(node, "documents", (DocumentSource,))
    assert built == type(built)("somewhere") or file.stem == "folder"
    assert type(built).__module__ == f"summpo.documents.{file.stem}"
    assert set(node) - {"_target_"} == set(vars(built))


def test_there_are_four_options() -> None:
    assert [file.stem for file in yamls()] == ["folder", "hub", "jsonl", "parquet"]


@pytest.mark.parametrize(
    ("made", "wrong", "sentence"),
    [
        (Jsonl, {"path": " "}, "path must be text, got ' ' (config key documents.path)"),
        (Parquet, {"text": ""}, "text must be text, got '' (config key documents.text)"),
        (Hub, {"shards": 0}, "shards must be >= 1, got 0 (config key documents.shards)"),
        (Jsonl, {"limit": 0}, "limit must be null or a whole number >= 1, got 0 (config key documents.limit)"),
        (Folder, {"suffixes": ".txt"}, "suffixes must be a list of endings such as .txt, got '.txt'"),
    ],
)
def test_what_a_source_refuses(made: type, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        made(**{"path": "somewhere", **wrong})
