"""Held-out rows outside the run: the loss that it logged of the weights that it kept; accuracy by length difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.commands.compose import compose_config
from summpo.commands.run_config import trained_config
from summpo.evaluation.held_out_rows import by_length_difference, held_out_loss, held_out_preference
from summpo.models import Model
from summpo.models.weights.adapters import load_adapter
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.loading import load_base, load_scorer
from summpo.runs.run_folder import RunFolder
from summpo.training.run import train
from support.train_runs import small, summary_of, write_splits

WEIGHED = {
    "objective": "sampo",
    "w": 0.1,
    "margin_reward.length.normalize": "z_score",
    "trainer.precision": "bf16-mixed",
}
CASES = {
    "sft": {"objective": "sft"},
    "dpo": {"objective": "dpo"},
    "sampo": WEIGHED,
    "reward_model": {"objective": "reward_model"},
    "kto": {**WEIGHED, "objective": "kto", "dataset.limit": 7},
    "bco": {**WEIGHED, "objective": "bco", "dataset.limit": 7},
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_the_run_logged(case: str, tiny_model_path: Path, tmp_path: Path) -> None:
    """In 4 bits, of an objective that draws tokens and a margin that the training pairs scale, too; 7 rows, 3 at a time."""
    data, folder = write_splits(tmp_path / "data", train=12, validation=7), tmp_path / "run"
    more = {"model.quantization": "nf4", "eval_batch_size": 3, "lora.dropout": 0.1, **CASES[case]}
    settings = [*small(tiny_model_path, data, tmp_path / "cache"), *(f"{k}={v}" for k, v in more.items())]
    train(compose_config("train", [*settings, f"output_dir={folder}"]), folder, {})
    config = trained_config(RunFolder(folder))
    loss_of = held_out_loss(folder, config, "cpu")
    assert loss_of is not None and len(loss_of) == 7
    model = Model(path=str(tiny_model_path), quantization="nf4")
    base: Any = load_scorer(tiny_model_path, model, 1) if case == "reward_model" else load_base(tiny_model_path, model)
    policy = load_adapter(base, folder / "adapter", fingerprint_weights(tiny_model_path), trainable=False)
    assert loss_of(policy) == pytest.approx(summary_of(folder)["metrics"]["val/loss"], rel=1e-6)
    with policy.disable_adapter():
        assert loss_of(policy) != pytest.approx(summary_of(folder)["metrics"]["val/loss"], rel=1e-3)
    config.validation.rows = 2
    fewer = held_out_loss(folder, config, "cpu")
    assert fewer is not None and len(fewer) == 2
    config.validation.times = 0
    assert held_out_loss(folder, config, "cpu") is None


def test_by_hand() -> None:
    """-21 | -20, -6 | -5, 0, 5 | 6 and nothing above 20: a bucket begins at its bound and ends before the next."""
    differences = np.array([-21, -20, -6, -5, 0, 5, 6])
    right = np.array([[1, 0], [0, 0], [1, 1], [1, 1], [0.5, 1], [0, 1], [1, 0]], float)
    assert by_length_difference(differences, right) == [
        {"low": None, "high": -20, "pairs": 1, "accuracy": 1, "accuracy_with_margin": 0},
        {"low": -20, "high": -5, "pairs": 2, "accuracy": 0.5, "accuracy_with_margin": 0.5},
        {"low": -5, "high": 6, "pairs": 3, "accuracy": 0.5, "accuracy_with_margin": 1},
        {"low": 6, "high": 21, "pairs": 1, "accuracy": 1, "accuracy_with_margin": 0},
        {"low": 21, "high": None, "pairs": 0, "accuracy": None, "accuracy_with_margin": None},
    ]


@given(st.lists(st.integers(-200, 200), min_size=1, max_size=40))
def test_every_pair_is_in_one_bucket(differences: list[int]) -> None:
    """Their mean, weighed by pairs, is the accuracy over all."""
    right = np.stack([np.arange(len(differences)) % 2, np.arange(len(differences)) % 3 / 2], 1)
    buckets = by_length_difference(np.array(differences), right)
    assert sum(bucket["pairs"] for bucket in buckets) == len(differences)
    total = sum(bucket["pairs"] * bucket["accuracy"] for bucket in buckets if bucket["pairs"])
    assert np.isclose(total, right[:, 0].sum())


@pytest.mark.parametrize("batching", ["shared_prefix", "padded"])
def test_a_policy_that_has_learnt_nothing_prefers_nothing(tiny_model_path: Path, tmp_path: Path, batching: str) -> None:
    """Also under bf16-mixed: policy and reference are rounded alike, every pair is a tie and counts half.

    A learning rate of 1e-30 leaves an adapter that changes no bit.
    """
    data, folder = write_splits(tmp_path / "data", train=2, validation=9), tmp_path / "run"
    once = {"trainer__max_steps": 1, "validation__times": 0, "optimizer__lr": 1e-30, "eval_batch_size": 18}
    settings = small(
        tiny_model_path, data, tmp_path / "cache", trainer__precision="bf16-mixed", batching=batching, **once
    )
    train(compose_config("train", [*settings, f"output_dir={folder}"]), folder, {})
    found = held_out_preference(folder, trained_config(RunFolder(folder)), "validation", "cpu")
    assert (found["pairs"], found["preference_accuracy"]) == (9, 0.5)
