import csv
import json
import os
import re
from pathlib import Path

import pytest

from summpo.commands import main
from summpo.errors import UserError
from summpo.evaluation.report import find_runs, read_run, write_report

FILES = ["front.html", "front.png", "results.csv", "results.json"]


@pytest.fixture
def runs(tmp_path: Path, write_run) -> list:
    for w, kept in ((0.0, 10), (0.1, 6)):
        write_run(tmp_path / "sweep" / f"w={w}", w=w, kept=kept)
    return [read_run(folder) for folder in find_runs([tmp_path / "sweep"])]


def test_writes_four_files_and_nothing_else(tmp_path: Path, runs: list) -> None:
    out = tmp_path / "made" / "report"
    assert sorted(write_report(runs, out)) == [out / name for name in FILES]
    assert sorted(file.name for file in out.iterdir()) == FILES
    assert (out / "front.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "front.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_tables_hold_every_number(tmp_path: Path, runs: list) -> None:
    write_report(runs, tmp_path / "out", quality="eval/rougeL", reference_point=(40.0, 0.0))
    report = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (report["quality"], report["base"], report["reference_point"]) == ("eval/rougeL", "w=0", [40.0, 0.0])
    assert [run["metrics"] for run in report["runs"]] == [run.metrics for run in runs]
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["w"] for row in rows] == ["0.0", "0.1"]
    assert [float(row["eval/rougeL"]) for row in rows] == [run.metrics["eval/rougeL"] for run in runs]
    assert [float(row["eval/rougeL_low"]) for row in rows] == [run.intervals["eval/rougeL"][0] for run in runs]
    assert rows[0]["preference_accuracy_with_margin"] == ""


def test_the_road_from_a_model_as_it_is_has_a_row_for_each(
    tmp_path: Path, write_run, capsys: pytest.CaptureFixture[str]
) -> None:
    """base, SFT and DPO under their own names; no w is said where there is none, and a square means nothing."""
    write_run(tmp_path / "runs" / "base", trained=False, kept=12)
    for name, kept in (("sft", 10), ("dpo", 6)):
        write_run(tmp_path / "runs" / name, objective=name, kept=kept)
    assert main(["report", str(tmp_path / "runs"), f"output_dir={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().out
    rows = [line.split()[:3] for line in said.splitlines()[2:5]]
    assert rows == [["base", "-", "-"], ["sft", "sft", "-"], ["dpo", "dpo", "-"]]
    assert "w=0" not in said and "base: " in said and "the run that the others are set against" in said
    assert said.splitlines()[2].split()[-1] == "-", "it was not trained"
    page = (tmp_path / "out" / "front.html").read_text("utf-8")
    data = json.loads(re.findall(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[0])
    assert [(run["label"], run["baseline"]) for run in data["runs"]] == [(n, False) for n in ("base", "sft", "dpo")]
    report = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert [(run["name"], run["objective"], run["w"]) for run in report["runs"]] == [
        ("base", None, None),
        ("sft", "sft", None),
        ("dpo", "dpo", None),
    ]
    assert report["base"] == "base" and len((tmp_path / "out" / "results.csv").read_text("utf-8").splitlines()) == 4


def test_the_same_runs_give_the_same_report(tmp_path: Path, runs: list) -> None:
    first, second = (write_report(order, tmp_path / str(n)) for n, order in enumerate((runs, runs[::-1])))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_a_failed_write_is_told_and_leaves_nothing_half_written(tmp_path: Path, runs: list, monkeypatch) -> None:
    write_report(runs, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"front\.png cannot be written: No space left on device"):
        write_report(runs[:1], tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_a_file_in_the_way_is_told(tmp_path: Path, runs: list) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="cannot be written: File exists"):
        write_report(runs, tmp_path / "out")


def test_no_runs_or_unknown_quality_write_nothing(tmp_path: Path, runs: list) -> None:
    with pytest.raises(UserError, match="no run to report"):
        write_report([], tmp_path / "out")
    with pytest.raises(UserError, match="quality must be one of"):
        write_report(runs, tmp_path / "out", quality="rouge1")
    assert not (tmp_path / "out").exists()
