"""A training run from its settings to its files, judged by plain transformers and PEFT."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from summpo.commands.compose import compose_config
from summpo.margin_rewards.break_even import break_even
from summpo.training.run import train
from support.train_runs import adapter_bytes, files_of, metrics_of, run, small, summary_of, write_rows, write_splits

BETA = 0.1
VALIDATIONS = 4
STEPS = 12


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine are most of a tiny model's time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(settings: list[str], folder: Path, **changes: Any) -> dict[str, Any]:
    """A run in this process; returns what summary.json holds."""
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    return train(compose_config("train", [*settings, *overrides, f"output_dir={folder}"]), folder, {})


@dataclass(frozen=True)
class Trial:
    """Runs on the same few rows."""

    model: Path
    data: Path
    settings: list[str]
    folder: Path
    """A run of DPO that learns its 12 training rows by heart: the best validation is not the last."""


@pytest.fixture(scope="module")
def trial(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    root = tmp_path_factory.mktemp("run")
    data = write_splits(root / "data", train=12, validation=5)
    settings = small(tiny_model_path, data, root / "cache", lora__target_modules="all-linear")
    torch.set_num_threads(1)
    trained(
        settings,
        root / "run",
        optimizer__lr=0.03,
        trainer__max_epochs=4,
        validation__times=VALIDATIONS,
        validation__samples=2,
        validation__max_new_tokens=6,
        eval_batch_size=2,
    )
    return Trial(tiny_model_path, data, settings, root / "run")


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@torch.no_grad()
def log_prob(model: Any, tokenizer: Any, row: dict[str, str], completion: str) -> tuple[float, int]:
    """Summed over the completion and its EOS, by a forward of one unpadded row; and how many tokens that is."""
    prompt = tokenizer(f"\n\nParagraph:\n{row['document']}\n\nTL;DR:\n")["input_ids"]
    targets = [*tokenizer(completion)["input_ids"], tokenizer.eos_token_id]
    logits: Tensor = model(input_ids=torch.tensor([prompt + targets])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)[range(len(targets)), targets].sum().item(), len(targets)


def dpo_loss(policy: Any, tokenizer: Any, row: dict[str, str]) -> float:
    """-log sigmoid(beta D) with the base under the adapter as the reference."""

    def difference() -> float:
        sums = [log_prob(policy, tokenizer, row, row[side])[0] for side in ("chosen", "rejected")]
        return sums[0] - sums[1]

    trained = difference()
    with policy.disable_adapter():
        frozen = difference()
    return math.log1p(math.exp(-BETA * (trained - frozen)))


def load_policy(model: Path, adapter: Path) -> tuple[Any, Any]:
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    return PeftModel.from_pretrained(base, str(adapter)).eval(), AutoTokenizer.from_pretrained(adapter)


def test_the_adapter_is_that_of_the_best_validation_whose_loss_is_the_mean_over_all_rows(trial: Trial) -> None:
    losses = {row["step"]: row["val/loss"] for row in metrics_of(trial.folder) if "val/loss" in row}
    best = min(losses, key=lambda step: losses[step])
    assert best < STEPS, "the last validation is the best: this run cannot tell them apart"
    policy, tokenizer = load_policy(trial.model, trial.folder / "adapter")
    rows = rows_of(trial.data / "validation.jsonl")
    mean = sum(dpo_loss(policy, tokenizer, row) for row in rows) / len(rows)
    assert losses[best] == pytest.approx(mean, abs=1e-5)
    assert mean != pytest.approx(losses[STEPS], abs=1e-3)
    metrics = summary_of(trial.folder)["metrics"]
    assert (metrics["best_step"], metrics["val/loss"]) == (best, losses[best])


def test_metrics_csv_has_a_row_a_step_and_the_validation_in_the_row_of_its_step(trial: Trial) -> None:
    rows = metrics_of(trial.folder)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["epoch"] for row in rows] == [round(step / 3, 4) for step in range(1, STEPS + 1)]
    assert all("train/loss" in row for row in rows)
    assert [row["step"] for row in rows if "val/loss" in row] == [3, 6, 9, 12]
    assert {name for name in rows[-1] if name.startswith("val/")} == {
        "val/loss",
        "val/reward_accuracy",
        "val/reward_accuracy_with_margin",
        "val/reward_margin",
        "val/weighted_margin",
        "val/implicit_reward_chosen",
        "val/implicit_reward_rejected",
        "val/log_prob_chosen",
        "val/log_prob_rejected",
        "val/kl_to_reference",
    }
    assert all(row["val/kl_to_reference"] > 0 for row in rows if "val/loss" in row), "it has gone from the base"
    assert rows[0]["train/loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_summary_json_tells_what_was_trained_on_what(trial: Trial) -> None:
    summary = summary_of(trial.folder)
    metrics = summary.pop("metrics")
    assert metrics["train/loss"] == metrics_of(trial.folder)[-1]["train/loss"]
    assert {name: summary[name] for name in ("status", "objective", "w", "seed", "steps", "rows", "rows_seen")} == {
        "status": "done",
        "objective": "dpo",
        "w": 0.0,
        "seed": 42,
        "steps": STEPS,
        "rows": {"train": {"kept": 12}, "validation": {"kept": 5}},
        "rows_seen": 48,
    }
    assert summary["tokens_seen"] > 48 * 2 * 20
    assert summary["wall_time_s"] > 0
    assert set(summary["fingerprints"]) == {"model", "train_tokens", "validation_tokens"}
    assert {"summpo", "torch", "transformers", "peft", "lightning", "python"} == set(summary["versions"])
    assert summary["config"]["model"]["path"] == str(trial.model)


def test_a_few_summaries_are_written_at_each_validation(trial: Trial) -> None:
    samples = rows_of(trial.folder / "validation_samples.jsonl")
    assert [sample["step"] for sample in samples] == [3, 3, 6, 6, 9, 9, 12, 12]
    documents = [row["document"] for row in rows_of(trial.data / "validation.jsonl")[:2]]
    assert [sample["document"] for sample in samples] == documents * VALIDATIONS
    assert all(sample["length_tokens"] <= 6 for sample in samples)
    assert {"id", "summary", "references", "ended"} < samples[0].keys()


def test_checkpoints_hold_what_trains_and_nothing_of_the_base(trial: Trial) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        state = torch.load(trial.folder / "checkpoints" / name, weights_only=True)["state_dict"]
        assert len(state) == 2 * 2 * 7, "A and B of seven linear layers in each of two blocks"
        assert all("lora_" in key for key in state)
    assert {file.name for file in (trial.folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}


@pytest.mark.parametrize("eval_batch_size", [1, 3, 16])
def test_validation_does_not_depend_on_its_batch_size(trial: Trial, tmp_path: Path, eval_batch_size: int) -> None:
    trained(trial.settings, tmp_path, trainer__max_steps=1, validation__times=1, eval_batch_size=eval_batch_size)
    trained(trial.settings, tmp_path / "two", trainer__max_steps=1, validation__times=1, eval_batch_size=2)
    assert metrics_of(tmp_path)[0] == pytest.approx(metrics_of(tmp_path / "two")[0], rel=1e-5, abs=1e-5)


def test_sft_validation_is_the_mean_over_tokens(trial: Trial, tmp_path: Path) -> None:
    trained(trial.settings, tmp_path, objective="sft", trainer__max_steps=2, validation__times=1, optimizer__lr=1e-3)
    policy, tokenizer = load_policy(trial.model, tmp_path / "adapter")
    rows = rows_of(trial.data / "validation.jsonl")
    sums = [log_prob(policy, tokenizer, row, row["chosen"]) for row in rows]
    mean = -sum(value for value, _ in sums) / sum(tokens for _, tokens in sums)
    (row,) = [row for row in metrics_of(tmp_path) if "val/loss" in row]
    assert row["step"] == 2
    assert row["val/loss"] == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("objective", ["dpo", "sft"])
def test_two_batches_of_four_make_the_step_of_one_of_eight(trial: Trial, tmp_path: Path, objective: str) -> None:
    common = {"objective": objective, "trainer__max_epochs": 2, "validation__times": 1}
    trained(trial.settings, tmp_path / "eight", batch_size=8, **common)
    trained(trial.settings, tmp_path / "four", batch_size=4, trainer__accumulate_grad_batches=2, **common)
    # 12 rows: an epoch is 8 + 4 rows there and 4 + 4 + 4 here, so the runs share their first step alone ...
    eight, four = metrics_of(tmp_path / "eight"), metrics_of(tmp_path / "four")
    assert four[0]["train/loss"] == pytest.approx(eight[0]["train/loss"], rel=1e-5)
    # ... and with as many rows as a step takes they share them all
    write_splits(tmp_path / "data", train=16, validation=2)
    common["dataset__path"] = tmp_path / "data"
    trained(trial.settings, tmp_path / "eight-16", batch_size=8, **common)
    trained(trial.settings, tmp_path / "four-16", batch_size=4, trainer__accumulate_grad_batches=2, **common)
    eight, four = (
        load_file(tmp_path / f"{name}-16" / "adapter" / "adapter_model.safetensors") for name in ("eight", "four")
    )
    for name, weight in eight.items():
        assert four[name] == pytest.approx(weight, rel=1e-3, abs=1e-5)
    rows = zip(metrics_of(tmp_path / "eight-16"), metrics_of(tmp_path / "four-16"), strict=True)
    for of_eight, of_four in rows:
        assert of_four == pytest.approx(of_eight, rel=1e-4, abs=1e-5)


def test_without_validation_the_last_weights_are_kept(trial: Trial, tmp_path: Path) -> None:
    summary = trained(trial.settings, tmp_path / "never", validation__times=0, validation__samples=2)
    whole = write_rows(tmp_path / "all.jsonl", 12)
    settings = [*trial.settings, f"dataset.path={whole}", "dataset.validation_fraction=0", "dataset.test_fraction=0"]
    nothing = trained(settings, tmp_path / "nothing", validation__samples=2)
    assert nothing["rows"] == {"train": {"kept": 12}, "validation": {}}
    for folder, metrics in ((tmp_path / "never", summary["metrics"]), (tmp_path / "nothing", nothing["metrics"])):
        assert {name.partition("/")[0] for name in metrics} == {"train"}
        assert [file.name for file in (folder / "checkpoints").iterdir()] == ["last.ckpt"]
        assert not (folder / "validation_samples.jsonl").exists()
        last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        saved = load_file(folder / "adapter" / "adapter_model.safetensors")
        for name, weight in saved.items():
            assert weight.tolist() == last[f"policy.{name.replace('.weight', '.default.weight')}"].tolist()


def test_full_fine_tuning_leaves_a_whole_model(trial: Trial, tmp_path: Path) -> None:
    trained(trial.settings, tmp_path, lora="null", validation__times=1, optimizer__lr=1e-3)
    assert not (tmp_path / "adapter").exists()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    models = [
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (trial.model, tmp_path / "model")
    ]
    losses = []
    for row in rows_of(trial.data / "validation.jsonl"):
        before, after = (
            log_prob(model, tokenizer, row, row["chosen"])[0] - log_prob(model, tokenizer, row, row["rejected"])[0]
            for model in models
        )
        losses.append(math.log1p(math.exp(-BETA * (after - before))))
    assert metrics_of(tmp_path)[-1]["val/loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-5)
    assert len(set(losses)) > 1


def test_a_run_on_an_adapter_goes_on_from_it(trial: Trial, tmp_path: Path) -> None:
    sft = tmp_path / "sft"
    trained(trial.settings, sft, objective="sft", validation__times=0)
    start = [*trial.settings, f"model.adapter={sft / 'adapter'}", "batch_size=12", "optimizer.lr=1e-30"]

    same = trained(start, tmp_path / "same", trainer__max_steps=1, validation__times=0)
    assert same["metrics"]["train/reward_margin"] == pytest.approx(0, abs=1e-6)
    assert same["metrics"]["train/loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert adapter_bytes(tmp_path / "same") == adapter_bytes(sft), "with a learning rate of 0 it is still that adapter"

    base = trained([*start, "reference.adapter=null"], tmp_path / "base", trainer__max_steps=1, validation__times=0)
    policy, tokenizer = load_policy(trial.model, sft / "adapter")
    rows = rows_of(trial.data / "train.jsonl")
    mean = sum(dpo_loss(policy, tokenizer, row) for row in rows) / len(rows)
    assert base["metrics"]["train/loss"] == pytest.approx(mean, abs=1e-5)
    assert abs(base["metrics"]["train/reward_margin"]) > 1e-3


def test_dropout_of_a_run_before_is_not_this_runs(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An adapter that was trained with dropout 0.5 goes on without: the first loss is ln 2 and nothing is drawn."""
    sft = tmp_path / "sft"
    trained(trial.settings, sft, objective="sft", lora__dropout=0.5, validation__times=0)
    start = [*trial.settings, f"model.adapter={sft / 'adapter'}", "trainer.max_steps=1", "validation.times=0"]
    capsys.readouterr()
    on = trained([*start, "lora.r=64"], tmp_path / "on")
    assert on["metrics"]["train/loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert (on["lora"]["r"], on["lora"]["dropout"]) == (4, 0.0)
    differences = "dropout 0 (not 0.5, as before), its own r 4 (not lora.r=64)"
    assert f"lora: goes on training {sft / 'adapter'} with {differences}\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "on" / "adapter" / "adapter_config.json").read_text())["lora_dropout"] == 0
    dropping = trained([*start, "lora.dropout=0.5"], tmp_path / "dropping")
    assert dropping["metrics"]["train/loss"] != pytest.approx(math.log(2), abs=1e-4)
    assert "goes on training" not in capsys.readouterr().out


def test_where_w_lies_is_said(trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recomputed from the texts: the logistic coefficient of the choice on the tokens, EOS or no."""
    settings = [
        *trial.settings,
        "objective=modpo",
        "objective.w0=2.0",
        "w=30",
        "trainer.max_steps=1",
        "validation.times=0",
    ]
    trained(settings, tmp_path)
    tokenizer, rows = AutoTokenizer.from_pretrained(trial.model), rows_of(trial.data / "train.jsonl")
    longer = [len(tokenizer.tokenize(row["chosen"])) - len(tokenizer.tokenize(row["rejected"])) for row in rows]
    w = break_even(-np.array(longer), w0=2.0).weight
    assert w is not None
    words = f"{30 / w:.2g} times" if w > 0 else "above"
    printed = capsys.readouterr().out
    assert f"weight: w=30 is {words} the break-even weight {w:.2g} +- " in printed
    assert printed.count("expect shorter summaries") == 1


def moved(model: Path, folder: Path) -> int:
    """How many of a model's weights are others after a run that trains all of them."""
    before, after = (load_file(place / "model.safetensors") for place in (model, folder / "model"))
    return sum(int((before[name] != after[name]).sum()) for name in before)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_all_weights_train_in_float32(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    """In bfloat16 most steps are rounded away: of 45,472 weights 1,888 moved in 20 steps, 34,432 in float32."""
    settings = [
        *trial.settings,
        "lora=null",
        "optimizer.lr=1e-5",
        "validation.times=0",
        f"trainer.precision={precision}",
    ]
    runs = {name: trained([*settings, f"model.dtype={name}"], tmp_path / name) for name in ("float32", "bfloat16")}
    assert moved(trial.model, tmp_path / "bfloat16") == moved(trial.model, tmp_path / "float32") > 20_000
    assert runs["bfloat16"]["metrics"] == runs["float32"]["metrics"]
    printed = capsys.readouterr().out
    assert (
        printed.count("model: all its weights train, so they are held in float32: in bfloat16 (model.dtype) most") == 1
    )
    assert printed.count("trainer.precision=bf16-mixed computes in bfloat16") == (precision == "32-true")


def test_the_adapters_dropout_is_at_work(trial: Trial, tmp_path: Path) -> None:
    some = trained(trial.settings, tmp_path / "some", lora__dropout=0.5, validation__times=0)
    none = trained(trial.settings, tmp_path / "none", validation__times=0)
    assert some["metrics"]["train/loss"] != none["metrics"]["train/loss"]


def test_the_same_command_elsewhere_gives_the_same_bits(trial: Trial, tmp_path: Path) -> None:
    for name in ("a", "b"):
        trained(trial.settings, tmp_path / name, lora__dropout=0.1, validation__times=1)
    assert adapter_bytes(tmp_path / "a") == adapter_bytes(tmp_path / "b")
    trained(trial.settings, tmp_path / "c", lora__dropout=0.1, validation__times=1, seed=43)
    assert adapter_bytes(tmp_path / "c") != adapter_bytes(tmp_path / "a")


def test_tensorboard_gets_the_metrics_and_the_settings(trial: Trial, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ended = run(
        [*trial.settings, "logger=tensorboard", "validation.times=1", f"output_dir={tmp_path / 'run'}"],
        tmp_path / "log",
    )
    assert ended.code == 0, ended.err
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    losses = [row["train/loss"] for row in metrics_of(tmp_path / "run")]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(losses)
    assert [event.step for event in events.Scalars("val/loss")] == [2]
    assert "lora" in (tmp_path / "run" / "tensorboard" / "hparams.yaml").read_text()


def test_a_sweep_with_other_settings_leaves_a_folder_as_it_was(trial: Trial, tmp_path: Path) -> None:
    sweep = ["-m", *trial.settings, "objective=modpo", "w=0,0.05", "validation.times=0", f"output_dir={tmp_path / 's'}"]
    assert run([*sweep, "trainer.max_steps=1"], tmp_path / "log").code == 0
    before = {name: data for name, data in files_of(tmp_path / "s").items() if name != "multirun.yaml"}
    assert set(before) > {
        f"w={w}/.hydra/{name}.yaml" for w in ("0", "0.05") for name in ("config", "hydra", "overrides")
    }
    ended = run([*sweep, "trainer.max_steps=2"], tmp_path / "log")
    assert ended.code == 2 and "trainer.max_steps=1, not 2" in ended.err
    assert {name: data for name, data in files_of(tmp_path / "s").items() if name != "multirun.yaml"} == before


def test_an_edited_margin_reward_is_another_one(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its column is computed anew, though its name and settings are the same."""
    code = "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Mine:\n    def rewards(self, c):\n"
    settings = ["margin_reward=none", "+margin_reward.mine._target_=my_reward.Mine", "+margin_reward.mine.weight=${w}"]
    monkeypatch.syspath_prepend(str(tmp_path))
    margins = []
    for round, factor in enumerate((1, 1000)):
        (tmp_path / "my_reward.py").write_text(code + f"        return [{factor}.0 * len(text) for text in c.texts]\n")
        sys.modules.pop("my_reward", None)
        importlib.invalidate_caches()
        trained([*trial.settings, "objective=modpo", *settings], tmp_path / str(round), w=0.1, validation__times=0)
        margins.append(metrics_of(tmp_path / str(round))[0]["train/weighted_margin"])
    assert margins[1] == pytest.approx(1000 * margins[0]) and margins[0] != 0


def test_a_sweep_is_one_group_of_offline_runs_in_wandb(trial: Trial, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    settings = [*trial.settings, "objective=modpo", "validation.times=1", "validation.samples=1"]
    ended = run(
        ["-m", *settings, "w=0,0.05", "logger=wandb", "logger.wandb.offline=true", f"output_dir={sweep}"],
        tmp_path / "log",
    )
    assert ended.code == 0, ended.err
    groups = []
    for w in ("0", "0.05"):
        (record,) = (sweep / f"w={w}").glob("wandb/offline-run-*/run-*.wandb")
        run_record, config, tables = read_wandb(record)
        groups.append(run_record.run_group)
        assert run_record.job_type == "modpo"
        assert run_record.display_name == f"w={w}"
        assert json.loads(config["w"]) == float(w)
        assert json.loads(config["lora"])["r"] == 4
        assert tables == ["val/samples"]
    assert groups == [str(sweep)] * 2


def read_wandb(file: Path) -> tuple[Any, dict[str, str], list[str]]:
    """The run of an offline record, its configuration (values as JSON) and the names of its tables."""
    found: Any = None
    config: dict[str, str] = {}
    tables = []
    for record in wandb_records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found = record.run
            config |= {item.key: item.value_json for item in record.run.config.update}
        elif kind == "config":
            config |= {item.key: item.value_json for item in record.config.update}
        elif kind == "history":
            tables += [item.nested_key[0] for item in record.history.item if item.value_json == '"table-file"']
    return found, config, tables


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file: a LevelDB log, 7 bytes of header each and no record's header across two blocks."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportAttributeAccessIssue]  (made at import)

    data, at, block = file.read_bytes(), 7, 2**15
    content = b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        content += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(content)
            content = b""
