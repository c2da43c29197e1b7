"""Labelled rows of your own data: labels as people write them, scores with a threshold, and pairs as two rows each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets import LabelledDataset, labelled_rows
from summpo.datasets.jsonl import Jsonl
from summpo.errors import UserError
from summpo.text.rows import LabelledRow, Message, PairRow


def data(folder: Path, *rows: dict[str, Any], **settings: Any) -> Jsonl:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Jsonl(path=str(file), validation_fraction=0, test_fraction=0, **settings)


def test_by_hand(tmp_path: Path) -> None:
    dataset = data(
        tmp_path,
        {"document": "d", "summary": "s", "label": True, "id": "x"},
        {"prompt": "p", "completion": "c", "label": 0, "score": 0.5},
        {
            "prompt": [{"role": "user", "content": "q"}],
            "completion": [{"role": "assistant", "content": "a"}],
            "label": 1,
        },
    )
    assert isinstance(dataset, LabelledDataset)
    assert dataset.labelled("train") == [
        LabelledRow("x", "d", "s", True),
        LabelledRow("row-2", "p", "c", False, 0.5, prompt="p"),
        LabelledRow("row-3", "q", "a", True, messages=(Message("user", "q"),)),
    ]


@pytest.mark.parametrize(
    ("label", "is_good"),
    [(True, True), (False, False), (1, True), (0, False), (-1, False), (1.0, True), (0.0, False), ("True", True),
     (" false ", False), ("1", True), ("-1", False), ("good", True), ("thumbs down", False)],
)  # fmt: skip
def test_labels_as_people_write_them(tmp_path: Path, label: Any, is_good: bool) -> None:
    (row,) = data(tmp_path, {"document": "d", "summary": "s", "label": label}).labelled("train")
    assert row.label is is_good


@pytest.mark.parametrize("label", ["news", 2, 0.5, "", []])
def test_other_labels_are_refused(tmp_path: Path, label: Any) -> None:
    with pytest.raises(UserError, match=r"rows.jsonl, line 1: column label says neither good nor bad, got "):
        data(tmp_path, {"document": "d", "summary": "s", "label": label}).labelled("train")


def test_a_score_of_at_least_the_threshold_is_good(tmp_path: Path) -> None:
    rows = [{"document": "d", "summary": "s", "score": score} for score in (2.9, 3, 4)]
    assert [row.label for row in data(tmp_path, *rows, threshold=3).labelled("train")] == [False, True, True]
    renamed = [{"document": "d", "summary": "s", "stars": stars} for stars in (1, 5)]
    found = data(tmp_path, *renamed, threshold=3, columns={"score": "stars"}).labelled("train")
    assert [(row.label, row.score) for row in found] == [(False, 1.0), (True, 5.0)]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    row = {"document": "d", "summary": "s", "score": 3}
    with pytest.raises(UserError, match=r"line 1: column label is missing or null \(dataset.threshold makes labels of"):
        data(tmp_path, row).labelled("train")
    with pytest.raises(UserError, match=r"line 1: column score is missing or null \(dataset.threshold makes labels of"):
        data(tmp_path, row | {"score": None, "label": True}, threshold=3).labelled(
            "train"
        )  # the threshold would be idle
    with pytest.raises(UserError, match=r"config key dataset\.threshold"):
        data(tmp_path, row, threshold=float("nan"))


def test_a_pair_is_a_good_and_a_bad_row(tmp_path: Path) -> None:
    pair = {"document": "d", "chosen": "c", "rejected": "r", "score_chosen": 7, "score_rejected": 5, "id": "x"}
    expected = [LabelledRow("x/chosen", "d", "c", True, 7.0), LabelledRow("x/rejected", "d", "r", False, 5.0)]
    assert data(tmp_path, pair).labelled("train") == expected
    assert labelled_rows([PairRow("x", "d", "c", "r", 7.0, 5.0)]) == expected


def test_references_of_a_document_are_those_of_all_its_rows(tmp_path: Path) -> None:
    rows = [
        {"document": "d", "summary": "s", "label": 1, "reference": "r"},
        {"document": "d", "summary": "t", "label": 0},
    ]
    assert [row.references for row in data(tmp_path, *rows).labelled("train")] == [("r",), ("r",)]
