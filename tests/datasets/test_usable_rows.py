"""What cannot be used stops a run, or is left out and counted by its kind; no more is read than is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets import SPLITS, one_per_document
from summpo.datasets.aclsum import ACLSum
from summpo.datasets.cnn_dailymail import CNNDailyMail
from summpo.datasets.helpsteer import HelpSteer
from summpo.datasets.hh_rlhf import HHRLHF
from summpo.datasets.jsonl import Jsonl
from summpo.datasets.pku_safe_rlhf import PKUSafeRLHF
from summpo.datasets.scitldr import SciTLDR
from summpo.datasets.shapes.usable_rows import train_limit, usable
from summpo.datasets.shp import SHP
from summpo.datasets.stack_exchange_paired import StackExchangePaired
from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.datasets.tldr import TLDR
from summpo.datasets.ultrafeedback import UltraFeedback
from summpo.datasets.xsum import XSum
from summpo.errors import UserError
from summpo.files.jsonl import RowFault, SourceRow
from summpo.text.rows import SummaryRow


def write(folder: Path, **files: list[Any]) -> str:
    """A folder with one JSONL file a split; what is text is a line as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines), "utf-8")
    return str(folder)


SPOKEN = "\n\nHuman: A\n\nAssistant:"
GOOD: dict[Callable[..., Any], dict[str, Any]] = {
    ACLSum: {
        "id": "p",
        "sentences": {"abstract": ["d"]},
        "summary": dict.fromkeys(("challenge", "approach", "outcome"), "a"),
    },
    Jsonl: {"document": "d", "chosen": "a", "rejected": "b"},
    CNNDailyMail: {"article": "d", "highlights": "a"},
    XSum: {"document": "d", "summary": "a"},
    TLDR: {"prompt": "d", "label": "a"},
    SciTLDR: {"document": "d", "summary": ["a"]},
    HHRLHF: {"chosen": SPOKEN + " a", "rejected": SPOKEN + " b"},
    PKUSafeRLHF: {"prompt": "d", "response_0": "a", "response_1": "b", "better_response_id": 0},
    SHP: {"history": "d", "human_ref_A": "a", "human_ref_B": "b", "labels": 1},
    StackExchangePaired: {"question": "d", "response_j": "a", "response_k": "b"},
    SummarizeFromFeedback: {"info": {"post": "d"}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": 0},
}
"""Data sets that read row by row, and a row of each."""


def rows_of(dataset: Any, split: Any = "train") -> list[Any]:
    is_of_pairs = hasattr(dataset, "pairs") and not isinstance(dataset, ACLSum)
    return (dataset.pairs if is_of_pairs else dataset.summaries)(split)


@pytest.mark.parametrize("made", GOOD, ids=lambda made: made.__name__)
def test_of_train_no_more_is_read_than_its_limit(made: Callable[..., Any], tmp_path: Path) -> None:
    files = {"train": [GOOD[made]] * 3 + ["{"], "validation": [GOOD[made]], "test": [GOOD[made]]}
    path = write(tmp_path, **files)
    assert len(rows_of(made(path=path, limit=3))) == 3
    with pytest.raises(UserError, match=r"train\.jsonl, line 4: malformed JSON"):
        rows_of(made(path=path, limit=4))


@pytest.mark.parametrize("made", GOOD, ids=lambda made: made.__name__)
def test_bad_rows_are_counted_by_kind(
    made: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = dict.fromkeys(GOOD[made], 7)
    files = {
        "train": ["{", GOOD[made], "[", lacking, "}", GOOD[made]],
        "validation": [GOOD[made]],
        "test": [GOOD[made]],
    }
    path = write(tmp_path, **files)
    with pytest.raises(UserError, match=r"line 1: malformed JSON"):
        rows_of(made(path=path))
    assert len(rows_of(made(path=path, bad_rows="drop"))) == 2
    said = capsys.readouterr().out.splitlines()
    assert f"{path}: 3 of 6 rows are left out: malformed JSON (the first: {path}/train.jsonl, line 1)" in said
    (other,) = (line for line in said if "malformed" not in line)
    assert "1 of 6 rows are left out: column" in other and other.endswith("line 4)")


@pytest.mark.parametrize("made", GOOD, ids=lambda made: made.__name__)
def test_an_empty_document_is_a_row_whose_fate_is_told_later(made: Callable[..., Any], tmp_path: Path) -> None:
    """It has its place, for the sentence or the count of tokens.empty."""
    if made is HHRLHF:
        pytest.skip("a transcript without a prompt shares none")
    text = json.dumps(GOOD[made]).replace('"d"', '" "')
    path = write(tmp_path, train=[GOOD[made], text], validation=[GOOD[made]], test=[GOOD[made]])
    rows = rows_of(made(path=path))
    assert [row.document.strip() for row in rows] == ["d", ""]
    assert rows[1].place == f"{path}/train.jsonl, line 2"


def test_of_one_file_the_empty_documents_are_trains_and_bad_rows_are_counted_whatever_the_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever document is dealt to which split: 6 rows, 2 of them empty, and one that is none."""
    rows = [{"document": f"d{n}", "summary": "s"} for n in range(4)] + [{"document": " ", "summary": "s"}] * 2
    write(tmp_path, a=[*rows, {"document": "e"}])
    for seed in range(5):
        dataset = Jsonl(path=str(tmp_path / "a.jsonl"), seed=seed, bad_rows="drop")
        parts = [dataset.summaries(split) for split in SPLITS]
        assert [sum(not row.document.strip() for row in part) for part in parts] == [2, 0, 0]
        assert [len(part) for part in parts] == [4, 1, 1]
    assert capsys.readouterr().out.count("1 of 7 rows are left out: column summary is missing or null") == 1, "once"


def rated(made: Callable[..., Any], document: str, text: str = "a") -> list[dict[str, Any]]:
    """Two answers to a document of different ratings, in the schema of a data set that rates each answer."""
    answers = ((text, 2), ("b", 1))
    if made is HelpSteer:
        return [{"prompt": document, "response": answer, "helpfulness": rating} for answer, rating in answers]
    return [{"instruction": document, "completions": [{"response": a, "overall_score": r} for a, r in answers]}]


@pytest.mark.parametrize("made", [HelpSteer, UltraFeedback])
def test_rated_answers_are_left_out_and_counted_alike(
    made: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that is none is a bad row, an empty answer is left out, an empty document a row whose fate is told later."""
    rows = ["{", *(row for n in range(60) for row in rated(made, f"d{n}")), *rated(made, " "), *rated(made, "d", " ")]
    path = write(tmp_path, train=rows)
    with pytest.raises(UserError, match=r"line 1: malformed JSON"):
        made(path=path).pairs("train")
    pairs = made(path=path, bad_rows="drop").pairs("train")
    assert [pair.place for pair in pairs if not pair.document.strip()] and all(pair.chosen == "a" for pair in pairs)
    said = capsys.readouterr().out
    assert "rows are left out: malformed JSON" in said and "1 of 125 rows are left out: the answer is empty" in said


class Read:
    """What `usable` is told of a data set."""

    path, limit, bad_rows = "rows", 2, "drop"


def test_usable_asks_for_no_row_too_many() -> None:
    asked: list[int] = []

    def rows() -> Iterator[SourceRow | RowFault]:
        for number in range(9):
            asked.append(number)
            yield RowFault("a, line 1", "spoilt (at 3)") if number == 1 else SourceRow("a", number, {})

    assert usable(Read(), rows(), lambda row: row.number, train_limit(Read(), "train")) == [0, 2]  # type: ignore[arg-type]
    assert asked == [0, 1, 2]
    assert len(usable(Read(), rows(), lambda row: row.number, train_limit(Read(), "test"))) == 8  # type: ignore[arg-type]


def test_where_no_row_can_be_used_every_kind_is_said() -> None:
    faults = [
        RowFault("a", "column x must be text, got 1"),
        RowFault("a", "column x must be text, got 2"),
        RowFault("a", "not UTF-8 (byte)"),
    ]
    with pytest.raises(UserError, match=r"^rows: all 3 rows are left out: column x must be text; not UTF-8$"):
        usable(Read(), faults, lambda row: row)  # type: ignore[arg-type]


def test_an_empty_document_is_nothing_to_summarise(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [SummaryRow("1", "d", "s"), SummaryRow("2", " ", "s", place="a.jsonl, line 2"), SummaryRow("3", "d", "t")]
    assert one_per_document(rows, "drop") == rows[:1]
    assert capsys.readouterr().out == "1 of 3 rows are dropped: the document is empty (a.jsonl, line 2 the first)\n"
    with pytest.raises(UserError, match=r"^a\.jsonl, line 2: the document is empty \(tokens\.empty=drop drops it\)$"):
        one_per_document(rows, "error")
