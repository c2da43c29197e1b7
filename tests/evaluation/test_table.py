from dataclasses import replace
from pathlib import Path

import pytest

from summpo.evaluation.bert_score import BERTSCORE_F1
from summpo.evaluation.results import read_run
from summpo.evaluation.table import COLUMNS, FOOTNOTE, duration, table


def test_columns_are_aligned_and_sorted_by_w(tmp_path: Path, write_run) -> None:
    runs = [read_run(write_run(tmp_path / f"w={w}", w=w, kept=kept)) for w, kept in ((0.1, 4), (0.05, 8), (0.0, 10))]
    head, rule, *lines = table([*runs, read_run(write_run(tmp_path / "sft", objective="sft"))]).splitlines()
    assert head.split()[:4] == ["name", "objective", "w", "tokens"]
    assert [line.split()[0] for line in lines] == ["sft", "w=0.0", "w=0.05", "w=0.1"]
    assert [line.split()[2] for line in lines] == ["-", "0", "0.05", "0.1"]
    ends = [place for place, char in enumerate(rule + " ") if char == " " and rule[place - 1] == "-"]
    assert all(len(line) == len(rule) and all((line + " ")[end] == " " for end in ends) for line in (head, *lines))
    assert lines[-1].split()[3:5] == ["8.0", "4.0"]
    assert lines[0].split()[-2:] == ["6m", "12s"]


def test_accuracy_of_the_training_run_is_marked(tmp_path: Path, write_run) -> None:
    trained = {"metrics": {"val/reward_accuracy": 0.7}}
    held_out = read_run(write_run(tmp_path / "a", summary=trained))
    fallback = read_run(write_run(tmp_path / "b", summary=trained, evaluation={"preference_accuracy": None}))
    assert " 0.625 " in table([held_out]) and FOOTNOTE not in table([held_out])
    assert " 0.700* " in table([fallback]) and table([fallback]).endswith(FOOTNOTE)


def test_bertscore_stands_where_it_was_measured(tmp_path: Path, write_run) -> None:
    runs = [read_run(write_run(tmp_path / name)) for name in ("a", "b")]
    runs[1] = replace(runs[1], metrics={**runs[1].metrics, BERTSCORE_F1: 0.4321})
    head, _, *lines = table(runs).splitlines()
    place = head.split().index("BERTScore")
    assert [line.split()[place] for line in lines] == ["-", "0.432"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1m 00s"), (372, "6m 12s"), (3600, "1h 00m"), (7509, "2h 05m")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_every_column_says_what_it_means() -> None:
    assert len(COLUMNS) == 15
    assert all(column.meaning for column in COLUMNS)
