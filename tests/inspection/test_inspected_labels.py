"""What is counted of labelled rows, and the command that says it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from summpo.commands import main
from summpo.inspection.labels import documents_of, lengths_by_label, means_by_label
from summpo.text.rows import LabelledRow


def test_documents_by_hand() -> None:
    """d has both labels and one summary that is labelled both ways; e has two good ones; f has one bad one."""
    told = [("d", "s", 1), ("d", "s", 0), ("d", "t", 0), ("e", "s", 1), ("e", "t", 1), ("f", "s", 0), ("f", "s", 0)]
    rows = [LabelledRow(str(i), document, summary, bool(label)) for i, (document, summary, label) in enumerate(told)]
    assert documents_of(rows) == (3, 1, 1)


def test_numbers_by_label_by_hand() -> None:
    labels = np.array([True, False, True])
    assert means_by_label(np.array([1.0, -4.0, 2.0]), labels) == {"desirable": 1.5, "undesirable": -4.0}
    assert means_by_label(np.array([1.0]), np.array([True])) == {"desirable": 1.0}
    found = lengths_by_label(np.array([3, 9, 5]), labels)
    assert (found["desirable"]["p50"], found["undesirable"]["p50"]) == (4, 9)


def test_the_command(tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good summaries of 1 word and one of 4, bad ones of 4 and one of 1: 4 good rows of weight 7 / 8, 3 bad of 7 / 6."""
    long, short = "cats and dogs ran", "cats"
    told = [(short, 1), (short, 1), (short, 1), (long, 1), (long, 0), (long, 0), (short, 0)]
    rows = [{"document": f"document {i}", "summary": text, "label": label} for i, (text, label) in enumerate(told)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    options = [
        "objective=bco", f"model.path={tiny_model_path}", "dataset=jsonl", f"dataset.path={tmp_path / 'data'}",
        f"cache_dir={tmp_path / 'cache'}", "tokens.max_length=512", "margin_reward.length.unit=words",
        f"output_dir={tmp_path / 'out'}", "dataset.validation_fraction=0",
    ]  # fmt: skip
    assert main(["inspect", *options]) == 0
    found = json.loads((tmp_path / "out" / "inspect.json").read_text())
    assert found["rows"] == {"desirable": 4, "undesirable": 3}
    assert found["weights"] == {"desirable": 7 / 8, "undesirable": pytest.approx(7 / 6)}
    mean = -(4 * 1 + 3 * 4) / 7  # of minus the length in words
    assert found["margins"]["length"]["desirable"] == pytest.approx(-7 / 4 - mean, rel=1e-5)
    assert found["margins"]["length"]["undesirable"] == pytest.approx(-3 - mean, rel=1e-5)
    assert found["break_even_is_of_objective"]
    printed = capsys.readouterr().out
    assert "desirable       4  57.1%   0.875     3.5" in printed
    assert "documents with both labels: 0" in printed

    # the slope of bco's loss along the margin reward is 0 at the break-even weight, and bends there
    margin = np.array([-len(text.split()) - mean for text, _ in told])
    sign, weight = (
        np.array([1 if label else -1 for _, label in told]),
        np.where([label for _, label in told], 7 / 8, 7 / 6),
    )
    at = found["break_even"]["length"]["weight"]

    def loss(w: float, t: float) -> float:
        return float(weight @ np.logaddexp(0, -sign * (t - w) * margin))

    slopes = [(loss(w, 1e-4) - loss(w, -1e-4)) / 2e-4 for w in (at - 0.1, at, at + 0.1)]
    assert slopes[0] > 1e-3 > abs(slopes[1])
    assert slopes[2] < -1e-3
