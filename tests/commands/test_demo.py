"""The demo's promise: summaries get shorter with w and end by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from summpo.commands import main
from summpo.evaluation.resampling import mean_intervals

POINTS = ("w=0", "w=0.05", "w=0.1")


def samples(run: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in map(json.loads, (run / "samples.jsonl").read_text("utf-8").splitlines())}


@pytest.mark.storm
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_whole_demo(
    seed: int, precision: str, real_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mean length falls at each w, by 30% in all with an interval off 0; nine of ten end by themselves at each; the
    table has the documents' first words beside them."""
    assert main(["run", "demo", f"output_dir={tmp_path / 'out'}", f"seed={seed}", f"precision={precision}"]) == 0
    assert " lead " in capsys.readouterr().out
    runs = [samples(tmp_path / "out" / "modpo" / point) for point in POINTS]
    means = [sum(row["length_tokens"] for row in run.values()) / len(run) for run in runs]
    assert means[0] > means[1] > means[2] and means[2] < 0.7 * means[0], means
    changes = [[runs[2][key]["length_tokens"] - runs[0][key]["length_tokens"]] for key in runs[0]]
    ((_, high),) = mean_intervals(np.array(changes, float))
    assert high < 0
    ended = [sum(row["ended"] for row in run.values()) / len(run) for run in runs]
    assert min(ended) >= 0.9, ended
