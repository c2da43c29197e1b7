"""The documents' first words as a baseline, by hand."""

import json
from pathlib import Path

import pytest

from summpo.evaluation.lead import lead
from summpo.evaluation.results import read_run
from summpo.evaluation.scores import aggregate, score_summary
from summpo.evaluation.table import table
from summpo.evaluation.tradeoffs import compare


def test_lead_is_the_first_words() -> None:
    assert lead("One two, three. Four", 3) == "One two, three."
    assert lead("One two", 9) == "One two" and lead("One", 0) == ""
    assert lead("雨落了。风停了。", 3) == "雨 落 了。"


def test_a_run_is_set_against_lead_of_its_own_lengths(tmp_path: Path, write_run) -> None:
    """Summaries of 10 words; the reference is the document's first 10. Lead has ROUGE-1 1; of 8 documents, 3 have
    summaries that begin 5 words later and share 5 of 10 words, ROUGE-1 0.5: the mean is 6.5 / 8."""
    run = read_run(write_run(tmp_path / "w=0"))
    assert run.lead["eval/rouge1"] == 1.0 and run.metrics["eval/rouge1"] == pytest.approx(6.5 / 8)
    (line,) = compare([run])[0].lines
    assert "It is beaten by the documents' first words, as many (ROUGE-1 1.000, -0.188 [" in line
    head, _, row = table([run]).splitlines()[:3]
    assert row.split()[head.split().index("lead")] == "1.000"


def test_a_run_that_is_its_lead_is_not_told_apart(tmp_path: Path, write_run) -> None:
    """Eight documents with one summary each that is its document's first 4 words."""
    folder = write_run(tmp_path / "w=0", kept=4)
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]
    scores = []
    for line in lines:
        line["summary"] = lead(line["document"], 4)
        scores.append(score_summary(line["summary"], tuple(line["references"]), line["document"], 8, True))
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    evaluation = json.loads((folder / "evaluation.json").read_text("utf-8"))
    (folder / "evaluation.json").write_text(json.dumps(evaluation | {"metrics": aggregate(scores)}), "utf-8")
    (line,) = compare([read_run(folder)])[0].lines
    assert "It is not told apart from the documents' first words" in line and "+0.000 [+0.000, +0.000]" in line


def test_without_samples_nothing_is_said(tmp_path: Path, write_run) -> None:
    run = read_run(write_run(tmp_path / "w=0", samples=False))
    assert run.lead == {} and "first words" not in compare([run])[0].lines[0]
