import io
import warnings
from pathlib import Path

import pytest
from matplotlib.image import imread

from summpo.evaluation.figure import draw
from summpo.evaluation.results import read_run
from summpo.evaluation.tradeoffs import compare


@pytest.mark.parametrize("count", [1, 2, 12])
def test_draws_any_number_of_runs(tmp_path: Path, write_run, count: int) -> None:
    # A dollar sign in a name would be read as mathematics, and an equal place for two labels must not hang.
    runs = [read_run(write_run(tmp_path / f"$run_{n}^$", w=n / 10, kept=2 + n // 2)) for n in range(count)]
    picture = imread(io.BytesIO(draw(compare(runs)[0])))
    assert picture.shape[:2] == (896, 1280)
    assert picture.std() > 0.02  # something is drawn


def test_draws_without_intervals(tmp_path: Path, write_run) -> None:
    run = read_run(write_run(tmp_path / "sft", objective="sft", evaluation={"intervals": {}}))
    assert draw(compare([run])[0]).startswith(b"\x89PNG")


def test_names_in_any_letters_are_drawn_without_a_warning(tmp_path: Path, write_run) -> None:
    runs = [
        read_run(write_run(tmp_path / name, objective="sft", w=None, evaluation={"dataset": "摘要"}))
        for name in ("新闻", "لغة")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(compare(runs)[0]).startswith(b"\x89PNG")
