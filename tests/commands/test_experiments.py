"""The seed's runs end to end: their own stages and settings, on a tiny model and rows in the real schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summpo.commands import main
from summpo.config.tree import conf_dir
from support.train_runs import metrics_of, summary_of

CPU = "trainer=cpu"


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def safety(shared_data: Path, tmp_path: Path) -> Path:
    """PKU-SafeRLHF's columns: real prompts and answers. The rows have no verdict on helpfulness: the longer stands in."""
    lines = (shared_data / "safety_pairs" / "pku_saferlhf.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    short = sorted(rows, key=lambda row: len(row["prompt"] + row["response_0"] + row["response_1"]))[:40]
    better = [int(len(row["response_1"]) > len(row["response_0"])) for row in short]
    assert all(row["better_response_id"] is None for row in short)
    write(
        tmp_path / "data" / "train.jsonl",
        [row | {"better_response_id": b} for row, b in zip(short, better, strict=True)],
    )
    return tmp_path / "data"


@pytest.fixture
def comparisons(shared_data: Path, tmp_path: Path) -> Path:
    """The human comparisons with the shortest articles."""
    for split, count in (("train", 12), ("validation", 12)):
        lines = (shared_data / "tldr_comparisons" / f"{split}.jsonl").read_text("utf-8").splitlines()
        shortest = sorted(map(json.loads, lines), key=lambda row: len(str(row["info"])))[:count]
        write(tmp_path / "data" / f"{split}.jsonl", shortest)
    return tmp_path / "data"


def chain(name: str, out: Path, model: Path, *more: str) -> int:
    """Runs a chain on this machine, by the keys that its file's head names for that and no others."""
    cpu = ["trainer=cpu", f"model=model.path={model} model.dtype=float32"]
    head = [line for line in (conf_dir() / "chain" / f"{name}.yaml").read_text("utf-8").splitlines() if line[:1] == "#"]
    assert "model=smollm2 trainer=cpu" in " ".join(head)
    return main(["run", name, f"output_dir={out}", *cpu, *more])


def test_safety_in_both_weight_conventions(safety: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    """SFT, DPO on "safer", MODPO on "better": (w, 1 - w) and (1, w); the margin is the other adapter's reward."""
    small = "trainer.enable_progress_bar=false trainer.max_epochs=1 lora.alpha=64 optimizer.lr=1e-2 validation.times=1"
    code = chain(
        "modpo_safety",
        tmp_path / "out",
        tiny_model_path,
        f"data=dataset.path={safety}",
        f"more={small} cache_dir={tmp_path / 'cache'} validation.samples=0",
        "generation=generation.max_new_tokens=8 dataset.limit=2",
    )
    assert code == 0
    runs = {path.parent.name: summary_of(path.parent) for path in (tmp_path / "out" / "modpo").glob("*/summary.json")}
    weights = {name: (s["config"]["objective"]["w0"], s["w"]) for name, s in runs.items()}
    assert weights == {
        "w0_0.1_w_0.9": (0.1, 0.9), "w0_0.5_w_0.5": (0.5, 0.5), "w0_0.9_w_0.1": (0.9, 0.1),
        "w_0.1": (1.0, 0.1), "w_0.5": (1.0, 0.5), "w_0.9": (1.0, 0.9),
    }  # fmt: skip
    assert {s["config"]["dataset"]["dimension"] for s in runs.values()} == {"better"}
    assert summary_of(tmp_path / "out" / "safer")["config"]["dataset"]["dimension"] == "safer"
    assert all(s["margin_spreads"]["implicit"] > 0 for s in runs.values())
    evaluation = json.loads((tmp_path / "out" / "modpo" / "w0_0.5_w_0.5" / "evaluation.json").read_text("utf-8"))
    assert {"eval/margin/implicit", "eval/length_tokens"} <= evaluation["metrics"].keys()
    assert 0 <= evaluation["preference_accuracy_with_margin"] <= 1
    assert (tmp_path / "out" / "report" / "front.png").exists()


def test_the_length_penalty_at_the_seeds_settings(comparisons: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    """Its chain, and w reaching the loss: the first step's loss is higher or lower than ln 2 by the margin alone."""
    small = (
        "trainer.enable_progress_bar=false validation.samples=0 validation.times=1 tokens.too_long=truncate_document"
    )
    code = chain(
        "modpo_tldr_llama2_7b",
        tmp_path / "out",
        tiny_model_path,
        f"more={small} dataset.path={comparisons} cache_dir={tmp_path / 'cache'}",
        "generation=generation.max_new_tokens=8 dataset.limit=2",
    )
    assert code == 0 and (tmp_path / "out" / "report" / "front.png").exists()
    first = {w: float(metrics_of(tmp_path / "out" / "modpo" / f"w={w}")[0]["train/loss"]) for w in ("0", "0.1")}
    assert first["0"] == pytest.approx(0.6931, abs=1e-3) and first["0.1"] != pytest.approx(0.6931, abs=1e-3)


def test_the_small_twins_of_the_length_penalty(comparisons: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    """SFT, merge, MODPO by the commands in their heads; what the heads say of precision and dropout is so."""
    common = [f"dataset.path={comparisons}", f"cache_dir={tmp_path / 'cache'}", "trainer.max_steps=2"]
    common += ["trainer.enable_progress_bar=false", "validation.samples=0", "tokens.too_long=truncate_document"]
    sft = ["experiment=sft_tldr_smollm2", f"model.path={tiny_model_path}", f"output_dir={tmp_path / 'sft'}"]
    assert main(["train", *sft, *common]) == 0
    assert main(["merge", f"run={tmp_path / 'sft'}", f"cache_dir={tmp_path / 'cache'}"]) == 0
    modpo = ["experiment=modpo_tldr_smollm2", f"model.path={tmp_path / 'sft' / 'merged'}", "w=0.1"]
    assert main(["train", *modpo, *common, f"output_dir={tmp_path / 'modpo'}"]) == 0
    for name, dropout in (("sft", 0.05), ("modpo", 0.0)):
        config = summary_of(tmp_path / name)["config"]
        assert config["trainer"]["precision"] == "bf16-mixed"
        assert config["lora"]["dropout"] == dropout
        head = (conf_dir() / "experiment" / f"{name}_tldr_smollm2.yaml").read_text("utf-8").split("defaults:")[0]
        assert "bf16" in head and ("dropout 0.05" in head or "no dropout" in head)
    assert metrics_of(tmp_path / "modpo")[0]["train/weighted_margin"] != 0


def test_the_length_penalty_is_rdpo_in_bfloat16_too(comparisons: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    """MODPO(length, w) = R-DPO(alpha = w), through the trainer, where matrix products are rounded."""
    common = [f"model.path={tiny_model_path}", f"cache_dir={tmp_path / 'cache'}", "trainer.precision=bf16-mixed"]
    common += [f"dataset.path={comparisons}", "dataset=summarize_from_feedback", "trainer.max_steps=3", "lora.r=4"]
    common += ["trainer.enable_progress_bar=false", "validation.samples=0", "tokens.too_long=truncate_document"]
    common += ["tokens.max_length=512"]
    chosen = {"modpo": ["w=0.05", "margin_reward=length"], "rdpo": ["objective.alpha=0.05", "w=0"]}
    for name, options in chosen.items():
        assert main(["train", f"objective={name}", *options, *common, f"output_dir={tmp_path / name}"]) == 0
    losses = {name: [row["train/loss"] for row in metrics_of(tmp_path / name)] for name in chosen}
    assert losses["modpo"] == losses["rdpo"]
    assert losses["modpo"][0] != pytest.approx(0.6931, abs=1e-3)


def test_a_reward_model_at_the_seeds_settings(
    comparisons: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained, merged, evaluated on pairs, refused where something is to be written, and used as a margin reward."""
    common = [f"model.path={tiny_model_path}", "model.dtype=float32", CPU, f"cache_dir={tmp_path / 'cache'}"]
    common += [
        f"dataset.path={comparisons}",
        "trainer.enable_progress_bar=false",
        "tokens.too_long=truncate_document",
        "tokens.max_length=512",
    ]
    assert main(["train", "experiment=reward_model_tldr", *common, f"output_dir={tmp_path / 'rm'}"]) == 0
    metrics = summary_of(tmp_path / "rm")["metrics"]
    assert 0 <= metrics["val/reward_accuracy"] <= 1 and "val/reward_chosen" in metrics
    capsys.readouterr()
    assert main(["merge", f"run={tmp_path / 'rm'}", f"cache_dir={tmp_path / 'cache'}"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    merged = tmp_path / "rm" / "merged"
    assert said.endswith(f"use it with margin_reward=reward_model margin_reward.reward_model.path={merged}")
    held_out = [f"run={tmp_path / 'rm'}", f"cache_dir={tmp_path / 'cache'}"]
    assert main(["evaluate", *held_out, "split=validation"]) == 0
    evaluation = json.loads((tmp_path / "rm" / "evaluation.json").read_text("utf-8"))
    assert evaluation["preference_accuracy"] == pytest.approx(metrics["val/reward_accuracy"])
    assert sum(bucket["pairs"] for bucket in evaluation["preference_by_length"]) == evaluation["pairs"] > 0
    assert (
        main(["generate", *held_out, f"output_dir={tmp_path / 'out'}"]) == 2
        and "writes nothing" in capsys.readouterr().err
    )
    common += ["margin_reward.reward_model.max_length=512"]
    chosen = ["margin_reward=[length,reward_model]", f"margin_reward.reward_model.path={merged}"]
    more = [*chosen, "margin_reward.reward_model.weight=-1", "trainer.max_steps=1", "objective=ln_dpo", "w=0.01"]
    assert main(["train", "dataset=summarize_from_feedback", *common, *more, f"output_dir={tmp_path / 'dpo'}"]) == 0
    assert summary_of(tmp_path / "dpo")["margin_spreads"]["reward_model"] > 0


def test_a_small_model_taught_by_a_strong_one(comparisons: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    """The second seed's chain at its own settings: 4 bits, DPO and SFT on the chosen, both merged, evaluated beside the base."""
    (comparisons / "validation.jsonl").rename(comparisons / "test.jsonl")
    for split in ("train", "test"):
        rows = [json.loads(line) for line in (comparisons / f"{split}.jsonl").read_text("utf-8").splitlines()]
        write(
            comparisons / f"{split}.jsonl",
            [{"id": f"{split}-{n}", "document": row["info"]["post"], "chosen": row["summaries"][row["choice"]]["text"],
              "rejected": row["summaries"][1 - row["choice"]]["text"]} for n, row in enumerate(rows)],
        )  # fmt: skip
    small = (
        "trainer=cpu trainer.enable_progress_bar=false validation.samples=0 validation.times=1 tokens.max_length=512"
    )
    model = f"model.path={tiny_model_path} model.dtype=float32"
    code = main(
        [
            "run",
            "qwen2_summarize",
            f"data={comparisons}",
            f"output_dir={tmp_path / 'out'}",
            f"more={small} {model} tokens.too_long=truncate_document cache_dir={tmp_path / 'cache'}",
            f"model=model=qwen2_1_5b {model}",
            f"test=split=test cache_dir={tmp_path / 'cache'}",
            "accelerator=cpu",
            "generation=generation.max_new_tokens=8 dataset.limit=2",
        ]
    )
    assert code == 0
    for name in ("sft", "dpo"):
        run = tmp_path / "out" / name
        summary = summary_of(run)
        assert summary["lora"]["r"] == 32 and summary["config"]["model"]["quantization"] == "nf4"
        held_out = summary["rows"]["validation"]["kept"]
        assert 0 < held_out < summary["rows"]["train"]["kept"], "a folder without validation gives a part of train"
        record = json.loads((run / "merged" / "merged_from.json").read_text("utf-8"))
        assert record["base_weights"] == "dequantized"
        assert record["validation_loss"]["quantized"] == pytest.approx(summary["metrics"]["val/loss"], rel=1e-5)
    first = metrics_of(tmp_path / "out" / "dpo")[0]["train/loss"]
    assert first == pytest.approx(0.6931, abs=1e-3), "dropout shows only once the adapter does something"
    written = [
        json.loads((tmp_path / "out" / name / "evaluation.json").read_text("utf-8")) for name in ("base", "sft", "dpo")
    ]
    assert [one["config"]["prompt"] for one in written] == [written[0]["config"]["prompt"]] * 3
    assert [one["config"]["model"]["adapter"] is None for one in written] == [True, False, False]
    assert [one["preference_accuracy"] is None for one in written] == [True, True, False]
