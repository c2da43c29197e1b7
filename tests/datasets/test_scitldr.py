"""SciTLDR: both schemas, the cut of a lone validation file, and the real rows where they are at hand."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import datasets
from summpo.datasets import SPLITS, PairDataset, SummaryDataset
from summpo.datasets.scitldr import SciTLDR
from summpo.errors import UserError

REAL = Path(os.environ.get("SUMMPO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "scitldr"
PAPER: dict[str, Any] = {
    "id": "x",
    "title": "A title",
    "document": "An abstract.",
    "summary": ["First.", "Second.", "First."],
}


def folder(path: Path, **files: list[dict[str, Any]]) -> str:
    for name, rows in files.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_local_rows(tmp_path: Path) -> None:
    dataset = SciTLDR(path=folder(tmp_path, train=[PAPER, {**PAPER, "summary": ["Third."]}]))
    first, second = dataset.summaries("train")
    assert (first.id, first.document, first.summary) == ("x", "An abstract.", "First.")
    assert first.references == ("First.", "Second.")
    assert (second.id, second.references) == ("x#1", ("Third.",))
    assert SciTLDR(path=str(tmp_path), title=True).summaries("train")[0].document == "A title\n\nAn abstract."
    assert isinstance(dataset, SummaryDataset)
    assert not isinstance(dataset, PairDataset)


def test_hub_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, config: str, split: str) -> datasets.Dataset:
        assert (name, config, split) == ("allenai/scitldr", "Abstract", "test")
        row = {"source": ["One.", "Two."], "target": ["T.", "U."], "paper_id": "p"}
        return datasets.Dataset.from_list([row, {**row, "paper_id": None}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows = SciTLDR().summaries("test")
    assert (rows[0].id, rows[0].document, rows[0].summary, rows[0].references) == ("p", "One. Two.", "T.", ("T.", "U."))
    assert rows[1].id.startswith("text-")
    with pytest.raises(UserError, match="allenai/scitldr, split test, row 0: column title is missing or null"):
        SciTLDR(title=True).summaries("test")


def test_validation_is_halved_only_without_a_test_file(tmp_path: Path) -> None:
    papers = [{**PAPER, "id": str(number), "document": f"Abstract {number // 2}."} for number in range(20)]
    dataset = SciTLDR(path=folder(tmp_path, validation=papers))
    halves = [dataset.summaries("validation"), dataset.summaries("test")]
    assert [len(half) for half in halves] == [10, 10]
    assert not {row.document for row in halves[0]} & {row.document for row in halves[1]}
    assert SciTLDR(path=str(tmp_path), seed=1).summaries("test") != halves[1]
    folder(tmp_path, test=papers[:3])
    assert [len(dataset.summaries(split)) for split in ("validation", "test")] == [20, 3]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"document": None}, "column document is missing or null"),
        ({"document": ["One."]}, "column document must be text, got ['One.']"),
        ({"summary": "First."}, "column summary must be a list of texts, got 'First.'"),
        ({"summary": []}, "column summary must be a list of texts, got []"),
        ({"summary": [None]}, "column summary.0 is missing or null"),
        ({"summary": None}, "column summary is missing or null"),
        ({"source": "One."}, "column source must be a list of texts, got 'One.'"),
    ],
)
def test_faults(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    path = folder(tmp_path, train=[PAPER, {**PAPER, **change}])
    with pytest.raises(UserError) as caught:
        SciTLDR(path=path).summaries("train")
    assert str(caught.value) == f"{tmp_path / 'train.jsonl'}, line 2: {sentence}"


@pytest.mark.parametrize("fields", [{"path": ""}, {"title": "yes"}, {"seed": 1.5}, {"limit": 0}])
def test_guards(fields: dict[str, Any]) -> None:
    [key] = fields
    with pytest.raises(UserError, match=rf"^{key} must be .* \(config key dataset\.{key}\)$"):
        SciTLDR(**fields)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real SciTLDR rows at {REAL} (set SUMMPO_TEST_DATA)")
def test_real_rows() -> None:
    parts = {split: SciTLDR(path=str(REAL), title=True).summaries(split) for split in SPLITS}
    assert len(parts["train"]) == 1992
    assert len(parts["validation"]) + len(parts["test"]) == 619
    assert abs(len(parts["validation"]) - len(parts["test"])) <= 2
    abstracts = [{row.document.partition("\n\n")[2] for row in part} for part in parts.values()]
    assert not abstracts[1] & abstracts[2]
    assert all(1 <= len(row.references) <= 4 and row.summary == row.references[0] for row in parts["test"])
