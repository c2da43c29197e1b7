"""Step 0: before any update the policy is the reference, and the MODPO loss is known without a model.

With the margin reward "minus the length" it is the mean of log(1 + exp(-(w / w0) (len_chosen - len_rejected))), ln 2
for w = 0. A run whose first step takes all rows shows it as train/loss of step 1. It holds with the SFT model as the
start only where reference and policy are both that model, and none of them lost it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from summpo.models import Model
from summpo.models.weights.merge import merge
from support.train_runs import metrics_of, run, small, write_splits


@dataclass(frozen=True)
class Pairs:
    """A merged SFT model, the settings that read some pairs, and the pairs' texts (chosen, rejected)."""

    merged: Path
    settings: list[str]
    texts: list[tuple[str, str]]


@pytest.fixture(scope="module")
def tiny_pairs(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    root = tmp_path_factory.mktemp("step-zero")
    data = write_splits(root / "data", train=9, validation=2)
    rows = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]
    settings = small(tiny_model_path, data, root / "cache")
    return with_sft(root, settings, tiny_model_path, [(row["chosen"], row["rejected"]) for row in rows])


@pytest.fixture(scope="module")
def real_pairs(real_model_path: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """The four comparisons with the shortest articles, and the embedded model fine-tuned on their chosen summaries."""
    root = tmp_path_factory.mktemp("step-zero-real")
    (root / "data").mkdir()
    for split, count in (("train", 4), ("validation", 2)):
        lines = (shared_data / "tldr_comparisons" / f"{split}.jsonl").read_text("utf-8").splitlines()
        shortest = sorted(lines, key=lambda line: len(str(json.loads(line)["info"])))[:count]
        (root / "data" / f"{split}.jsonl").write_text("\n".join(shortest), "utf-8")
    rows = [json.loads(line) for line in (root / "data" / "train.jsonl").read_text("utf-8").splitlines()]
    texts = [(row["summaries"][row["choice"]]["text"], row["summaries"][1 - row["choice"]]["text"]) for row in rows]
    settings = [
        *small(real_model_path, root / "data", root / "cache", dataset="summarize_from_feedback"),
        "optimizer.lr=2e-4",
    ]
    return with_sft(root, settings, real_model_path, texts)


def with_sft(root: Path, settings: list[str], model: Path, texts: list[tuple[str, str]]) -> Pairs:
    all_rows = [f"batch_size={len(texts)}", "validation.times=0"]
    sft = run(
        [*settings, *all_rows, "objective=sft", "trainer.max_steps=1", f"output_dir={root / 'sft'}"], root / "log"
    )
    assert sft.code == 0, sft.err
    adapter = load_file(root / "sft" / "adapter" / "adapter_model.safetensors")
    assert any(weight.any() for name, weight in adapter.items() if "lora_B" in name)
    merge(Model(path=str(model)), root / "sft" / "adapter", root / "merged", "float32", root / "cache")
    return Pairs(root / "merged", [*settings, *all_rows, f"model.path={root / 'merged'}"], texts)


def first_loss(pairs: Pairs, folder: Path, w: float, w0: float) -> float:
    settings = [*pairs.settings, "objective=modpo", f"w={w}", f"objective.w0={w0}", "trainer.max_steps=1"]
    ended = run([*settings, f"output_dir={folder}"], folder.with_suffix(".log"))
    assert ended.code == 0, ended.err
    (row,) = metrics_of(folder)
    assert row["train/reward_margin"] == pytest.approx(0, abs=1e-6)
    return row["train/loss"]


def expected_loss(pairs: Pairs, w: float, w0: float) -> float:
    tokenizer = AutoTokenizer.from_pretrained(pairs.merged)
    lengths = [[len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in pair] for pair in pairs.texts]
    assert any(chosen != rejected for chosen, rejected in lengths)
    losses = [math.log1p(math.exp(-(w / w0) * (chosen - rejected))) for chosen, rejected in lengths]
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("w", "w0"), [(0.0, 1.0), (0.1, 1.0), (0.05, 0.5)])
def test_the_first_loss_of_a_tiny_model(tiny_pairs: Pairs, tmp_path: Path, w: float, w0: float) -> None:
    expected = expected_loss(tiny_pairs, w, w0)
    assert first_loss(tiny_pairs, tmp_path / "run", w, w0) == pytest.approx(expected, abs=1e-5)
    assert (expected == pytest.approx(math.log(2))) == (w == 0)


def test_the_first_loss_of_the_real_model_on_real_comparisons(real_pairs: Pairs, tmp_path: Path) -> None:
    expected = expected_loss(real_pairs, 0.1, 1.0)
    assert first_loss(real_pairs, tmp_path / "run", 0.1, 1.0) == pytest.approx(expected, abs=1e-5)
