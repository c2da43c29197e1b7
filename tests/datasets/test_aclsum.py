"""ACLSum: rows made by hand, and the real files where the package `aclsum` is installed."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets import SPLITS, PairDataset, SummaryDataset
from summpo.datasets.aclsum import ACLSum
from summpo.errors import UserError

PAPER: dict[str, Any] = {
    "id": "P1",
    "title": "T",
    "summary": {"challenge": "It is hard. ", "approach": "They try.", "outcome": "It works."},
    "sentences": {"abstract": ["A one .", "A two ."], "introduction": ["I ."], "conclusion": ["C ."]},
}


def folder(path: Path, *papers: dict[str, Any]) -> str:
    (path / "val.jsonl").write_text("".join(json.dumps(paper) + "\n" for paper in papers), encoding="utf-8")
    return str(path)


def test_default_row(tmp_path: Path) -> None:
    dataset = ACLSum(path=folder(tmp_path, PAPER))
    [row] = dataset.summaries("validation")
    assert (row.id, row.document, row.prompt) == ("P1", "A one . A two .", None)
    assert row.summary == "It is hard. They try. It works."
    assert row.references == (row.summary,)
    assert isinstance(dataset, SummaryDataset)
    assert isinstance(dataset, PairDataset)


def test_pairs_of_nested_summaries(tmp_path: Path) -> None:
    """Two readers, half of whom want more: the second. Each pair's texts begin alike."""
    dataset = ACLSum(path=folder(tmp_path, PAPER, {**PAPER, "id": "P2"}), wants_more=0.5)
    pairs = dataset.pairs("validation")
    one, two, three = "It is hard.", "It is hard. They try.", "It is hard. They try. It works."
    assert [(pair.id, pair.chosen, pair.rejected) for pair in pairs] == [
        ("P1/1-2", one, two), ("P1/1-3", one, three), ("P1/2-3", two, three), ("P1/again", three, f"{three} It works."),
        ("P2/2-1", two, one), ("P2/3-1", three, one), ("P2/3-2", three, two), ("P2/again", three, f"{three} It works."),
    ]  # fmt: skip
    assert {(pair.document, pair.references, pair.prompt) for pair in pairs} == {("A one . A two .", (three,), None)}


def test_sft_on_the_sides_of_its_pairs(tmp_path: Path) -> None:
    """One reader, who wants less: of A, AB, ABC and ABCC the chosen are A, AB and ABC; ABC is what all are held to."""
    path = folder(tmp_path, PAPER)
    one, two, three = "It is hard.", "It is hard. They try.", "It is hard. They try. It works."
    for sft_on, texts in (
        ("expert", [three]),
        ("chosen", [one, two, three]),
        ("both", [one, two, three, f"{three} It works."]),
    ):
        found = ACLSum(path=path, wants_more=0, sft_on=sft_on).summaries("validation")  # type: ignore[arg-type]
        assert sorted((row.summary for row in found), key=len) == texts
        assert {row.references for row in found} == {(three,)}
    with pytest.raises(UserError, match=r"in all three aspects, got outcome"):
        ACLSum(path=path, aspect="outcome", sft_on="both").summaries("validation")


def test_a_paper_without_text_is_a_row_whose_fate_is_told_later(tmp_path: Path) -> None:
    blank = {**PAPER["summary"], "outcome": " "}
    alone = ACLSum(path=folder(tmp_path, {**PAPER, "summary": blank}), aspect="outcome").summaries("validation")
    assert [row.summary for row in alone] == [""], "an empty summary, too"
    path = folder(tmp_path, PAPER, {**PAPER, "sentences": {"abstract": []}})
    rows = ACLSum(path=path).summaries("validation")
    assert [(row.document, row.place) for row in rows] == [
        ("A one . A two .", f"{path}/val.jsonl, line 1"),
        ("", f"{path}/val.jsonl, line 2"),
    ]
    assert [pair.place for pair in ACLSum(path=path).pairs("validation")] == [rows[0].place] * 4 + [rows[1].place] * 4


def test_pairs_need_all_aspects(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"in all three aspects, got outcome \(config key dataset\.aspect\)"):
        ACLSum(path=folder(tmp_path, PAPER), aspect="outcome").pairs("validation")


def test_sections_and_aspect(tmp_path: Path) -> None:
    [row] = ACLSum(path=folder(tmp_path, PAPER), sections=["conclusion", "abstract"], aspect="challenge").summaries(
        "validation"
    )
    assert (row.document, row.summary) == ("C . A one . A two .", "It is hard.")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"sections": ["abstract", "title"]}, "sections must be one of abstract, introduction, conclusion, got title"),
        ({"sections": "abstract"}, "sections must be a list such as [abstract], got 'abstract'"),
        ({"sections": []}, "sections must be a list such as [abstract], got []"),
        ({"sections": None}, "sections must be a list such as [abstract], got None"),
        ({"aspect": "result"}, "aspect must be one of challenge, approach, outcome, all, got result"),
        ({"wants_more": 1.5}, "wants_more must be >= 0 and <= 1, got 1.5"),
        ({"sft_on": "rated"}, "sft_on must be one of expert, chosen, both, got rated"),
        ({"bad_rows": "skip"}, "bad_rows must be one of error, drop, got skip"),
        ({"limit": 0}, "limit must be null or a whole number >= 1, got 0"),
        ({"path": 5}, "path must be null (the installed package) or a folder, got 5"),
    ],
)
def test_guards(fields: dict[str, Any], sentence: str) -> None:
    [key] = fields
    with pytest.raises(UserError) as caught:
        ACLSum(**fields)
    assert str(caught.value) == f"{sentence} (config key dataset.{key})"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": None}, "column id is missing or null"),
        ({"sentences": {}}, "column sentences.abstract is missing or null"),
        ({"sentences": {"abstract": "a"}}, "column sentences.abstract must be a list of texts, got 'a'"),
        ({"sentences": {"abstract": ["a", 1]}}, "column sentences.abstract.1 must be text, got 1"),
        ({"summary": {**PAPER["summary"], "outcome": None}}, "column summary.outcome is missing or null"),
        ({"summary": {**PAPER["summary"], "outcome": " "}}, "column summary.outcome is empty"),
        ({"summary": "text"}, "column summary.challenge is missing or null"),
    ],
)
def test_faults(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    path = folder(tmp_path, PAPER, {**PAPER, **change})
    with pytest.raises(UserError) as caught:
        ACLSum(path=path).summaries("validation")
    assert str(caught.value) == f"{tmp_path / 'val.jsonl'}, line 2: {sentence}"


def test_missing_file_and_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"has no file test\.jsonl for the split test; it has val\.jsonl"):
        ACLSum(path=folder(tmp_path, PAPER)).summaries("test")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UserError, match=r"not installed: pip install --no-deps aclsum==0\.1\.2"):
        ACLSum().summaries("train")


@pytest.mark.skipif(importlib.util.find_spec("aclsum") is None, reason="the package aclsum is not installed")
def test_real_papers() -> None:
    rows = {split: ACLSum().summaries(split) for split in SPLITS}
    assert [len(part) for part in rows.values()] == [100, 50, 100]
    assert len({row.id for part in rows.values() for row in part}) == 250
    assert len({row.document for part in rows.values() for row in part}) == 250
    assert all(len(row.summary.split()) > 20 for part in rows.values() for row in part)
    pairs = ACLSum(limit=None).pairs("train")
    assert len(pairs) == 400 and ACLSum(limit=120).pairs("train") == pairs[:120]
    imitated = ACLSum(sft_on="both", limit=None).summaries("train")
    assert {(row.document, row.summary) for row in imitated} == {
        (pair.document, text) for pair in pairs for text in (pair.chosen, pair.rejected)
    }
    whole = {row.document: row.references for row in rows["train"]}
    assert all(row.references == whole[row.document] for row in imitated)
    for first in (20, 120, 400):
        share = sum(len(pair.chosen) > len(pair.rejected) for pair in pairs[:first]) / first
        assert share == pytest.approx(0.8 * 3 / 4), "of the readers of the first five papers, of thirty and of all"
    longer = ACLSum(sections=["abstract", "introduction", "conclusion"]).summaries("test")
    assert all(more.document.startswith(row.document) for row, more in zip(rows["test"], longer, strict=True))
    assert "aclsum" not in sys.modules
