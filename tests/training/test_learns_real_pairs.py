"""Twenty steps of every objective on human comparisons: the embedded model gets better at its own held-out pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from summpo.commands.compose import compose_config
from summpo.config.tree import conf_dir
from summpo.training.run import train
from support.train_runs import small

OBJECTIVES = sorted(path.stem for path in (conf_dir() / "objective").glob("*.yaml"))


@pytest.fixture(scope="module")
def comparisons(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 comparisons of short articles to train on, and 24 others of the same articles to be judged by."""
    folder = tmp_path_factory.mktemp("comparisons")
    lines = (shared_data / "tldr_comparisons" / "train.jsonl").read_text("utf-8").splitlines()
    by_length = sorted(
        lines, key=lambda line: len(str(json.loads(line)["info"]["article"] or json.loads(line)["info"]["post"]))
    )
    kept = by_length[:104]
    for split, rows in (("validation", kept[::4][:24]), ("train", [line for i, line in enumerate(kept) if i % 4][:80])):
        (folder / f"{split}.jsonl").write_text("\n".join(rows), "utf-8")
    return folder


@pytest.mark.storm
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_lowers_its_validation_loss(
    objective: str, comparisons: Path, real_model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp() / "real-pairs"
    more = {
        "dataset": "summarize_from_feedback",
        "objective": objective,
        "tokens__max_length": 192,
        "eval_batch_size": 8,
    }
    settings = small(real_model_path, comparisons, root / "cache", **more, lora__r=16, lora__alpha=32)
    losses = {}
    # one rate for all: where a chosen completion has lost nats, DPOP is 1 + penalty = 6 times as steep as DPO
    for name, steps, rate in (("before", 1, 1e-12), ("after", 20, 1e-4)):
        folder = root / objective / name
        ends = [f"trainer.max_steps={steps}", f"optimizer.lr={rate}", "validation.times=1", f"output_dir={folder}"]
        precision = "trainer.precision=bf16-mixed"
        metrics = train(compose_config("train", [*settings, precision, *ends]), folder, {})["metrics"]
        losses[name] = metrics["val/loss"]
    print(f"{objective}: val/loss {losses['before']:.4f} to {losses['after']:.4f}")
    assert losses["after"] < losses["before"]
