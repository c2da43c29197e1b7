"""Your own data: files, folders, the cut of one file by document, and every fault in one sentence."""

import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from summpo.datasets import SPLITS, MissingPairs, PairDataset, SummaryDataset
from summpo.datasets.jsonl import Jsonl
from summpo.errors import UserError
from summpo.text.rows import PairRow, SummaryRow

REAL = Path(os.environ.get("SUMMPO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "documents"


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def everything(path: str) -> Jsonl:
    return Jsonl(path=path, validation_fraction=0, test_fraction=0)


def test_summaries(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"document": "d", "summary": "s"},
        {"document": "d", "summary": "t", "id": 7},
        {"document": "e", "summary": "s", "id": "7", "reference": "r", "references": ["r", "q"], "prompt": "p"},
        {"document": "f", "summary": " ", "id": None, "references": None},
        {"prompt": "only", "summary": "s", "reference": None, "references": []},
    )
    dataset = everything(path)
    assert dataset.summaries("train") == [
        SummaryRow("row-1", "d", "s", ("s", "t")),
        SummaryRow("7", "d", "t", ("s", "t")),
        SummaryRow("7#2", "e", "s", ("r", "q"), prompt="p"),
        SummaryRow("row-4", "f", " ", ()),
        SummaryRow("row-5", "only", "s", ("s",), prompt="only"),
    ]
    assert dataset.summaries("validation") == dataset.summaries("test") == []
    assert isinstance(dataset, SummaryDataset)
    assert isinstance(dataset, PairDataset)


def test_pairs_and_their_summaries(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"document": "d", "chosen": "c", "rejected": "r", "id": "one", "score_chosen": 2, "score_rejected": 0.5},
        {"document": "d", "chosen": "r", "rejected": "c", "score_chosen": None},
        {"document": "d", "chosen": "r", "rejected": ""},
        {"prompt": "p", "chosen": "x", "rejected": "x", "references": ["a", "b"], "source": "news"},
    )
    assert everything(path).pairs("train") == [
        PairRow("one", "d", "c", "r", 2.0, 0.5),
        PairRow("row-2", "d", "r", "c"),
        PairRow("row-3", "d", "r", ""),
        PairRow("row-4", "p", "x", "x", references=("a", "b"), prompt="p", source="news"),
    ]
    assert everything(path).summaries("train") == [
        SummaryRow("one", "d", "c", ("r", "c")),
        SummaryRow("row-2", "d", "r", ("r", "c")),
        SummaryRow("row-4", "p", "x", ("a", "b"), prompt="p"),
    ]
    both = Jsonl(path=path, sft_on="both", validation_fraction=0, test_fraction=0).summaries("train")
    assert [(row.id, row.summary) for row in both] == [
        ("one", "c"),
        ("one/rejected", "r"),
        ("row-3/rejected", ""),
        ("row-4", "x"),
    ]


def test_rows_with_a_summary_and_a_pair_give_the_summary(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"document": "d", "summary": "s", "chosen": "c", "rejected": "r"})
    assert [row.summary for row in everything(path).summaries("train")] == ["s"]
    assert [pair.chosen for pair in everything(path).pairs("train")] == ["c"]


def test_a_folder_has_a_file_a_split(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", {"document": "d", "summary": "s"})
    write(tmp_path / "validation.jsonl", {"document": "e", "summary": "t"})
    dataset = Jsonl(path=str(tmp_path))
    assert [row.document for split in SPLITS[:2] for row in dataset.summaries(split)] == ["d", "e"]
    with pytest.raises(UserError) as caught:
        dataset.summaries("test")
    assert (
        str(caught.value)
        == f"folder {tmp_path} has no file test.jsonl for the split test; it has train.jsonl, validation.jsonl"
    )


def test_a_folder_without_validation_has_a_part_of_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2% of 100 documents are two, with all their pairs; a folder that has the split is not cut."""
    rows = [{"document": f"d{n % 100}", "chosen": f"c{n}", "rejected": "r"} for n in range(200)]
    write(tmp_path / "train.jsonl", *rows)
    dataset = Jsonl(path=str(tmp_path), validation_fraction=0.02)
    held_out = dataset.pairs("validation")
    assert "has no file for validation: 0.02 of train's documents are held out for it" in capsys.readouterr().out
    trained = dataset.pairs("train")
    assert (len(trained), len(held_out), len({pair.document for pair in held_out})) == (196, 4, 2)
    assert not {pair.document for pair in trained} & {pair.document for pair in held_out}
    assert [row.summary for row in dataset.summaries("validation")] == [pair.chosen for pair in held_out]
    assert len(everything(str(tmp_path)).pairs("train")) == 200, "none is asked for"
    write(tmp_path / "validation.jsonl", {"document": "e", "chosen": "c", "rejected": "r"})
    assert [len(dataset.pairs(split)) for split in SPLITS[:2]] == [200, 1]


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, config: None, split: str) -> datasets.Dataset:
        assert (name, config, split) == ("owner/name", None, "validation")
        return datasets.Dataset.from_list([{"document": "d", "chosen": "c", "rejected": "r"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert Jsonl(path="owner/name").pairs("validation") == [PairRow("row-0", "d", "c", "r")]


def test_a_hub_data_set_that_has_train_alone_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """As most instructions on the Hub are published; its place is the Hub's row."""

    def load(name: str, config: None, split: str) -> datasets.Dataset:
        if split != "train":
            raise ValueError(f"Unknown split \"{split}\". Should be one of ['train'].")
        return datasets.Dataset.from_list([{"instruction": f"i{n}", "input": "", "output": "o"} for n in range(10)])

    monkeypatch.setattr(datasets, "load_dataset", load)
    dataset = Jsonl(path="owner/name")
    parts = [dataset.summaries(split) for split in ("train", "validation")]
    assert [len(part) for part in parts] == [9, 1]
    assert parts[0][0].place.startswith("owner/name, split train, row ")
    with pytest.raises(UserError, match="the Hub gives no split test of it: Unknown split"):
        dataset.summaries("test")


def test_a_saved_table_is_cut_as_a_file_is(tmp_path: Path) -> None:
    table = datasets.Dataset.from_list([{"document": f"d{n}", "summary": "s"} for n in range(10)])
    table.save_to_disk(tmp_path / "saved")
    parts = [Jsonl(path=str(tmp_path / "saved")).summaries(split) for split in SPLITS]
    assert [len(part) for part in parts] == [8, 1, 1]


def test_data_without_pairs_says_so(tmp_path: Path) -> None:
    """Also where bad rows are dropped: a row that is no pair is not a bad one, where none is a pair."""
    path = write(tmp_path / "a.jsonl", {"document": "d", "summary": "s"}, {"document": "e", "summary": "t"})
    for bad_rows in ("error", "drop"):
        with pytest.raises(MissingPairs, match=r"a\.jsonl, line 1: column chosen is missing or null"):
            Jsonl(path=path, bad_rows=bad_rows).pairs("train")  # type: ignore[arg-type]
    write(tmp_path / "b.jsonl", {"document": "d", "chosen": "c", "rejected": "r"}, {"document": "e", "rejected": "t"})
    with pytest.raises(UserError, match=r"b\.jsonl, line 2: column chosen is missing or null$") as caught:
        Jsonl(path=str(tmp_path / "b.jsonl")).pairs("train")
    assert not isinstance(caught.value, MissingPairs)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=3).filter(lambda documents: len(set(documents)) >= 3),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
    st.integers(0, 5),
)
def test_a_file_is_cut_by_document(documents: list[int], validation: float, test: float, seed: int) -> None:
    rows = [{"document": f"d{document}", "chosen": str(row), "rejected": "r"} for row, document in enumerate(documents)]
    with TemporaryDirectory() as name:
        dataset = Jsonl(
            path=write(Path(name) / "a.jsonl", *rows), validation_fraction=validation, test_fraction=test, seed=seed
        )
        pairs = [dataset.pairs(split) for split in SPLITS]
        summaries = [dataset.summaries(split) for split in SPLITS]
    sides = [{pair.document for pair in part} for part in pairs]
    assert [{row.document for row in part} for part in summaries] == sides
    assert sum(map(len, sides)) == len(set(documents))
    assert [bool(side) for side in sides] == [True, validation > 0, test > 0]
    assert sorted(int(pair.chosen) for part in pairs for pair in part) == list(range(len(rows)))


def test_too_few_documents_for_the_split(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"document": "d", "summary": "s"}, {"document": "d", "summary": "t"})
    with pytest.raises(UserError, match=r"a\.jsonl has 1 distinct documents, too few to leave one for train: add rows"):
        Jsonl(path=path).summaries("train")
    assert len(everything(path).summaries("train")) == 2


@pytest.mark.parametrize(
    ("method", "row", "sentence"),
    [
        (
            "summaries",
            {"summary": "s"},
            "columns document and prompt are both missing or null, got summary; dataset.columns={document: ...} reads another",
        ),
        ("summaries", {"document": ["d"], "summary": "s"}, "column document must be text, got ['d']"),
        (
            "summaries",
            {"document": "d"},
            "column summary is missing or null, got document; dataset.columns={summary: ...} reads another",
        ),
        ("summaries", {"document": "d", "summary": 5}, "column summary must be text, got 5"),
        ("summaries", {"document": "d", "summary": "s", "id": 1.5}, "column id must be text, got 1.5"),
        ("summaries", {"document": "d", "summary": "s", "reference": 1}, "column reference must be text, got 1"),
        (
            "summaries",
            {"document": "d", "summary": "s", "references": "r"},
            "column references must be a list of texts, got 'r'",
        ),
        ("summaries", {"document": "d", "summary": "s", "references": [1]}, "column references.0 must be text, got 1"),
        ("summaries", {"document": "d", "summary": "s", "prompt": 1}, "column prompt must be text, got 1"),
        ("pairs", {"document": "d", "rejected": "r"}, "column chosen is missing or null"),
        ("pairs", {"document": "d", "chosen": "c", "rejected": None}, "column rejected is missing or null"),
        ("pairs", {"document": "d", "chosen": {}, "rejected": "r"}, "column chosen must be text, got {}"),
        (
            "pairs",
            {"document": "d", "chosen": "c", "rejected": "r", "score_chosen": "four"},
            "column score_chosen must be a finite number, got 'four'",
        ),
        (
            "pairs",
            {"document": "d", "chosen": "c", "rejected": "r", "score_rejected": float("nan")},
            "column score_rejected must be a finite number, got nan",
        ),
    ],
)
def test_faults(tmp_path: Path, method: str, row: dict[str, Any], sentence: str) -> None:
    good = (
        {"document": "g", "summary": "s"}
        if method == "summaries"
        else {"document": "g", "chosen": "c", "rejected": "r"}
    )
    path = write(tmp_path / "a.jsonl", good, row)
    with pytest.raises(UserError) as caught:
        getattr(everything(path), method)("train")
    assert str(caught.value) == f"{path}, line 2: {sentence}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    for content, sentence in (
        (b"", " is empty"),
        (b"{", ", line 1: malformed JSON"),
        (b'"\xff"', ", line 1: not UTF-8"),
    ):
        file.write_bytes(content)
        with pytest.raises(UserError, match=sentence):
            everything(str(file)).summaries("train")
    with pytest.raises(UserError, match=r"^nothing is at .*none\.jsonl"):
        everything(str(tmp_path / "none.jsonl")).summaries("train")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"path": None},
            "path must be a file of rows, a folder of them or a Hub id (owner/name), got None (config key dataset.path)",
        ),
        ({"sft_on": "all"}, "sft_on must be one of chosen, both, got all (config key dataset.sft_on)"),
        (
            {"validation_fraction": -0.1},
            "validation_fraction must be >= 0 and <= 1, got -0.1 (config key dataset.validation_fraction)",
        ),
        ({"test_fraction": "x"}, "test_fraction must be >= 0 and <= 1, got x (config key dataset.test_fraction)"),
        (
            {"validation_fraction": 0.5, "test_fraction": 0.5},
            "validation_fraction and test_fraction must leave documents to train on, got 1 together "
            "(config keys dataset.validation_fraction, dataset.test_fraction)",
        ),
        ({"seed": None}, "seed must be a whole number, got None (config key dataset.seed)"),
        ({"limit": 0}, "limit must be null or a whole number >= 1, got 0 (config key dataset.limit)"),
    ],
)
def test_guards(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        Jsonl(**{"path": "a.jsonl", **fields})
    assert str(caught.value) == sentence


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real documents at {REAL} (set SUMMPO_TEST_DATA)")
def test_real_documents_lack_the_columns() -> None:
    sentence = (
        r"train\.jsonl, line 1: columns document and prompt are both missing or null, got id, source, title, text"
    )
    with pytest.raises(UserError, match=sentence):
        Jsonl(path=str(REAL)).summaries("train")


class TestLimit:
    """Rows that can be used, of a file whose 10th row is broken."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        rows = [json.dumps({"document": f"d{n}", "summary": f"s{n}"}) for n in range(9)]
        rows.insert(2, json.dumps({"document": "d", "summary": "s", "label": False}))
        (tmp_path / "train.jsonl").write_text("\n".join([*rows, "{broken"]) + "\n")
        return tmp_path / "train.jsonl"

    @pytest.mark.parametrize("is_folder", [False, True])
    def test_no_more_is_read_where_nothing_is_held_out(self, file: Path, is_folder: bool) -> None:
        path = file.parent if is_folder else file
        dataset = Jsonl(path=str(path), limit=5, validation_fraction=0, test_fraction=0)
        assert [row.summary for row in dataset.summaries("train")] == ["s0", "s1", "s2", "s3", "s4"]
        with pytest.raises(UserError, match="line 11: malformed JSON"):
            replace(dataset, limit=10).summaries("train")

    def test_a_share_of_nothing_is_not_read(self, file: Path) -> None:
        dataset = Jsonl(path=str(file), limit=5, validation_fraction=0, test_fraction=0)
        assert dataset.summaries("validation") == dataset.summaries("test") == []

    @pytest.mark.parametrize("is_folder", [False, True])
    def test_the_documents_of_a_whole_file_say_what_is_held_out(self, file: Path, is_folder: bool) -> None:
        """No document changes its split by the limit."""
        path = file.parent if is_folder else file
        with pytest.raises(UserError, match="line 11: malformed JSON"):
            Jsonl(path=str(path), limit=2).summaries("train")
        file.write_text(file.read_text().replace("{broken\n", ""))
        whole = Jsonl(path=str(path), validation_fraction=0.4).summaries("train")
        assert Jsonl(path=str(path), validation_fraction=0.4, limit=2).summaries("train") == whole[:2] != whole
