"""Whole runs on labelled rows: what is said, what is settled by the training rows, and a reference point that goes on."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_resume import is_batch, kill_before

from support.train_runs import adapter_bytes, metrics_of, run, small, summary_of, write_labelled


def labelled_splits(folder: Path) -> Path:
    write_labelled(folder / "train.jsonl", 21)
    write_labelled(folder / "validation.jsonl", 6)
    return folder


def settings_of(model: Path, root: Path, objective: str, **changes: Any) -> list[str]:
    more = {"trainer__max_epochs": 2, "validation__times": 2, "checkpoint_every": 2, **changes}
    return small(model, root / "data", root / "cache", objective=objective, w=0.05, **more)


@pytest.mark.parametrize("objective", ["kto", "bco", "apo_zero_unpaired"])
def test_a_run_says_what_labels_weigh_and_leaves_what_it_settled(
    objective: str, tiny_model_path: Path, tmp_path: Path
) -> None:
    """14 of 21 rows are good: 21 / 28 and 21 / 14. The mean of minus the length is that of the training rows."""
    file = labelled_splits(tmp_path / "data") / "train.jsonl"
    folder = tmp_path / "run"
    ended = run([*settings_of(tiny_model_path, tmp_path, objective), f"output_dir={folder}"], tmp_path / "log")
    assert ended.code == 0, ended.err
    said = "labels: 14 desirable of weight 0.75, 7 undesirable of weight 1.5: in all 10.5, 10.5"
    assert said in ended.out.splitlines()
    settled = summary_of(folder)["settled"]
    assert settled["objective"] == {"desirable_weight": 0.75, "undesirable_weight": 1.5}
    from summpo.models.weights.loading import load_tokenizer

    tokenizer = load_tokenizer(tiny_model_path)
    texts = [json.loads(line)["summary"] for line in file.read_text().splitlines()]
    lengths = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert settled["margin_means"] == {"length": pytest.approx(-sum(lengths) / len(lengths))}
    last = metrics_of(folder)[-1]
    assert {"val/loss", "val/reward_accuracy", "val/implicit_reward_desirable", "val/log_prob_undesirable"} <= set(last)
    assert ("reference_point" in summary_of(folder)) == (objective != "apo_zero_unpaired")


def test_one_label_alone_is_said(tiny_model_path: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_labelled(tmp_path / "rows.jsonl", 8).read_text().splitlines()]
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").write_text("".join(json.dumps(row | {"label": True}) + "\n" for row in rows))
    settings = settings_of(tiny_model_path, tmp_path, "kto", validation__times=0, trainer__max_steps=1)
    ended = run([*settings, f"output_dir={tmp_path / 'run'}"], tmp_path / "log")
    assert ended.code == 0, ended.err
    assert "labels: no training row is undesirable: nothing tells the policy what to turn from" in ended.out


def test_a_running_reference_point_goes_on_where_a_run_was_killed(tiny_model_path: Path, tmp_path: Path) -> None:
    """Bit by bit: weights, metrics, and the mean with its number of rows, 2 epochs of 21."""
    labelled_splits(tmp_path / "data")
    settings = settings_of(tiny_model_path, tmp_path, "bco", lora__dropout=0.1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run([*settings, f"output_dir={whole}"], tmp_path / "log").code == 0
    stop = partial(kill_before, "summpo.training.module.TrainingModule", "training_step", partial(is_batch, 7))
    assert run([*settings, f"output_dir={killed}"], tmp_path / "log", sabotage=stop).code < 0
    ended = run([*settings, f"output_dir={killed}"], tmp_path / "log")
    assert ended.code == 0, ended.err
    assert "goes on from" in ended.out
    assert adapter_bytes(killed) == adapter_bytes(whole)
    assert (killed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    assert summary_of(killed)["reference_point"] == summary_of(whole)["reference_point"]
    summary = summary_of(whole)
    (kept,) = [row for row in metrics_of(whole) if row["step"] == summary["metrics"]["best_step"]]
    assert summary["reference_point"][0] == pytest.approx(kept["val/reference_point"], rel=1e-6), (
        "with the weights kept"
    )


def test_a_data_set_of_pairs_is_read_by_label(tiny_model_path: Path, tmp_path: Path) -> None:
    """Two rows a pair, of either label, without a word in the data set about it."""
    from support.train_runs import write_splits

    write_splits(tmp_path / "data", train=5, validation=2)
    settings = settings_of(tiny_model_path, tmp_path, "kto", trainer__max_steps=2)
    ended = run([*settings, f"output_dir={tmp_path / 'run'}"], tmp_path / "log")
    assert ended.code == 0, ended.err
    assert "labels: 5 desirable of weight 1, 5 undesirable of weight 1: in all 5, 5" in ended.out.splitlines()
