"""The loss of a run's validation rows outside the run: what the run itself logged of the weights that it kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from summpo.commands.compose import compose_config
from summpo.commands.run_config import trained_config
from summpo.evaluation.held_out_loss import held_out_loss
from summpo.models import Model
from summpo.models.weights.adapters import load_adapter
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.loading import load_base, load_scorer
from summpo.runs.run_folder import RunFolder
from summpo.training.run import train
from train_runs import small, summary_of, write_splits

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
