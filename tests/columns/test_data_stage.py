"""The reference columns that runs ask for: computed as the run computes, and others where it computes otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from summpo.columns.base import Base, find_base
from summpo.columns.stage import DataStage
from summpo.commands.compose import compose_config
from summpo.models.forward.log_probs import completion_log_probs
from summpo.records import FrozenColumns
from summpo.row_kinds.pairs import pair_batch
from summpo.training.checks import say_of_rows
from summpo.training.plain_settings import train_settings
from summpo.training.policy import load_plain, text_rows
from summpo.training.settings import TrainSettings
from support.train_runs import small, write_splits


@pytest.fixture
def settings(tiny_model_path: Path, tmp_path: Path) -> list[str]:
    """Of a run on 12 pairs."""
    data = write_splits(tmp_path / "data", train=12, validation=2)
    return small(tiny_model_path, data, tmp_path / "cache")


def frozen(settings: list[str], root: Path, *overrides: str) -> tuple[TrainSettings, Base, FrozenColumns]:
    """The columns of the training rows of a run with these settings."""
    config = compose_config("train", [*settings, *overrides])
    parts = train_settings(config)
    base = find_base(parts.columns)
    stage = DataStage(parts.columns, base, torch.device("cpu"))
    text = stage.from_text(text_rows(parts, "train"))
    return parts, base, stage.with_reference(text, text.spreads(), None)


def test_another_precision_or_layout_is_another_column(settings: list[str], tmp_path: Path) -> None:
    """Both round otherwise; what is the same again is read again, and w, the objective and batch sizes change nothing."""
    runs = [
        [],
        ["trainer.precision=bf16-mixed"],
        ["batching=padded"],
        ["trainer.precision=bf16-mixed", "batching=padded"],
        ["objective=modpo", "w=0.1", "batch_size=3", "eval_batch_size=2"],
    ]
    counts = []
    for overrides in runs:
        frozen(settings, tmp_path, *overrides)
        counts.append(len(list((tmp_path / "cache" / "columns" / "reference").glob("*/columns.json"))))
    assert counts == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("batching", ["shared_prefix", "padded"])
def test_a_column_is_rounded_as_the_policy_of_the_run_is(settings: list[str], tmp_path: Path, batching: str) -> None:
    """Under bf16-mixed a log-prob is off by some thousandths, and its reference likewise: they differ by far less."""
    parts, base, columns = frozen(settings, tmp_path, "trainer.precision=bf16-mixed", f"batching={batching}")
    model, batch = load_plain(parts, base), pair_batch(columns, np.arange(12), np.ones(12), base.layout)
    with torch.inference_mode():
        exact = completion_log_probs(model, batch).tokens
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = completion_log_probs(model, batch).tokens
    off = (rounded - exact).abs().mean()
    assert off > 1e-3
    assert (batch.reference - rounded).abs().mean() < off / 2


def test_what_became_of_the_rows_is_said(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Documents of 10 to 30 words are cut, or dropped; beside twelve good rows there is a pair of equals."""
    file = tmp_path / "data" / "train.jsonl"
    file.write_text(file.read_text() + '{"document": "a", "chosen": "b", "rejected": "b"}\n')
    for overrides, says in (
        (
            [],
            "12 of 13 kept; 1 dropped (identical pair 1)",
        ),
        (
            ["tokens.max_length=60"],
            "12 of 13 kept, 11 of them with their document cut to fit tokens.max_length=60; 1 dropped (identical pair 1)",
        ),
        (
            ["tokens.max_length=60", "tokens.too_long=drop"],
            "1 of 13 kept; 12 dropped (identical pair 1, too long 11)",
        ),
    ):
        config = compose_config("train", [*settings, *overrides])
        parts = train_settings(config)
        columns = parts.columns
        stage = DataStage(columns, find_base(columns), torch.device("cpu"))
        text = {split: stage.from_text(text_rows(parts, split)) for split in ("train", "validation")}
        capsys.readouterr()
        say_of_rows(text | {"none": stage.from_text([])}, parts.tokens.max_length)
        train, validation, *more = capsys.readouterr().out.splitlines()[-2:]
        assert train == f"rows: train: {says}" and not more
        assert validation.startswith("rows: validation: ") and " of 2 kept" in validation
        assert not re.search(r"\b0 (of them|dropped)", validation), "what did not happen is not told"
