"""The story of a training run, top to bottom: rows, tokens, frozen columns, batches, policy, fit, adapter, summary."""

import errno
import logging
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from omegaconf import DictConfig

from summpo.columns.base import Base, find_base
from summpo.columns.reuse import Shared
from summpo.columns.stage import DataStage, TextColumns
from summpo.config.tree import plain
from summpo.models.devices import check_device, check_kernels
from summpo.runs.run_folder import RunFolder
from summpo.training.callbacks import read_metrics
from summpo.training.checks import check_models, require_rows, say_of_labels, say_of_rows, say_of_weights
from summpo.training.data import ColumnData
from summpo.training.loggers import begin_logging
from summpo.training.module import TrainingModule
from summpo.training.parts import TrainParts, train_parts
from summpo.training.policy import (
    check_rows,
    held_out_rows,
    lora_of,
    make_policy,
    save,
    say_of_logits,
    say_of_precision,
    source_of,
    text_rows,
)
from summpo.training.trainer import (
    elapsed,
    fit,
    keeps_base_whole,
    make_data,
    make_module,
    make_trainer,
    sample_callback,
)

log = logging.getLogger(__name__)

SPLITS = ("train", "validation")


def train(
    config: DictConfig, folder: Path, settings_files: Mapping[str, str], shared: Shared | None = None
) -> dict[str, Any]:
    """Trains as `config` says and leaves the run's files in `folder`; goes on where an earlier process stopped.

    Args:
        settings_files: what goes into .hydra/ once the run begins, text by name.
        shared: what the runs of a sweep before this one have left for it; None for a run on its own.

    Returns:
        What summary.json holds.

    Raises:
        UserError: configuration, data or model cannot be used; nothing was trained.
        BadLoss: the loss is not finite; the last good checkpoint stays.
    """
    run = RunFolder(folder)
    done = run.check(plain(config))
    if done is not None:
        log.info(run.done_already)
        return done
    parts, shared = train_parts(config), shared or Shared()
    check_device(config.trainer.accelerator)
    check_kernels(config.trainer.accelerator, parts.model.attention, parts.compiles)
    asked_for = (config.validation.times > 0, config.validation.rows)
    source = {"train": source_of(parts, "train"), "validation": (source_of(parts, "validation"), asked_for)}
    held_out = shared.get("validation rows", source["validation"], lambda: held_out_rows(parts, config))
    read = {"train": lambda: text_rows(parts, "train"), "validation": lambda: held_out}
    check_rows(parts, held_out, source["train"], shared)
    settings = parts.columns(config)
    base = find_base(settings, shared)
    check_models(parts, base)
    stage = DataStage(settings, base, shared)
    text = {split: stage.of_split(split, source[split], read[split]) for split in SPLITS}
    say_of_rows(text, parts.limits.max_length)
    require_rows(text["train"], parts.limits.max_length)
    settled = {"margin_means": text["train"].means(), "objective": parts.kind.settled(text["train"].labels)}
    text = {split: columns.against(settled["margin_means"]) for split, columns in text.items()}
    parts = parts.settled_with(settled["objective"])
    say_of_labels(parts, text["train"].labels)
    spreads = text["train"].spreads()
    say_of_weights(parts, config, text["train"], spreads)
    facts = facts_of(config, parts, base, text) | {"margin_spreads": spreads, "settled": settled}
    trainer = make_trainer(config, run, sample_callback(config, run, parts, held_out, base))
    if trainer.is_global_zero:
        run.begin(facts, settings_files)
    begin_logging(trainer.loggers, facts["config"])
    say_of_precision(parts, config.model.dtype, config.trainer.precision)
    policy = make_policy(parts, base, config.seed, shared)
    say_of_logits(parts, policy)
    device = trainer.strategy.root_device
    frozen = {split: stage.with_reference(text[split], spreads, policy, device) for split in SPLITS}
    stage.release()
    data = make_data(config, parts, frozen, base, trainer.world_size)
    module = make_module(parts, policy, data)
    fit(trainer, module, data, run)
    if not trainer.is_global_zero:
        return {}
    metrics = keep_best(module, run)
    weights = save(module.policy, base, parts, run)
    if keeps_base_whole(trainer) and not parts.compiles:
        shared.give_back(module.policy)
    summary = summary_of(config, {"metrics": metrics} | done_by(trainer, module, data)) | facts
    run.write_summary(summary)
    log.info(f"{folder}: done; weights in {weights}, numbers in {run.metrics_path} and {run.summary_path}")
    return summary


def facts_of(config: DictConfig, parts: TrainParts, base: Base, text: Mapping[str, TextColumns]) -> dict[str, Any]:
    """What is known of a run before it trains: its rows, what they and the model are, its settings."""
    tokens = {f"{split}_tokens": columns.fingerprint for split, columns in text.items()}
    return {
        "rows": {split: columns.tokenized.counts for split, columns in text.items()},
        "fingerprints": {"model": base.fingerprint, **tokens},
        "lora": lora_of(parts),
        "config": plain(config),
    }


def done_by(trainer: Trainer, module: TrainingModule, data: ColumnData) -> dict[str, Any]:
    """What a run has done: its time, its steps, what it has seen, and the reference point that it has come to."""
    point = {"reference_point": module.carried.tolist()} if module.carried[1] > 0 else {}
    return {"wall_time_s": round(elapsed(trainer), 1), "steps": trainer.global_step, **data.seen(), **point}


def summary_of(config: DictConfig, done: Mapping[str, Any]) -> dict[str, Any]:
    """What summary.json says first: what was trained, what came of it, and which versions of what did it."""
    return {
        "status": "done",
        "objective": str(config.objective._target_).split(".")[-2],
        "w": config.w,
        "seed": config.seed,
        **done,
        "versions": {name: version(name) for name in ("summpo", "torch", "transformers", "peft", "lightning")}
        | {"python": platform.python_version()},
    }


def keep_best(module: LightningModule, run: RunFolder) -> dict[str, float]:
    """Gives the policy the weights of the best validation.

    Returns:
        train/ of the last step, val/ of the weights that are kept, and their step as best_step where there is a best.
    """
    if not run.metrics_path.exists():  # a folder that was taken away is not made anew
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(run.metrics_path))
    rows = read_metrics(run.metrics_path)
    validations = [row for row in rows if "val/loss" in row]
    kept, best = validations[-1:], {}
    if run.best_checkpoint.exists():
        state = torch.load(run.best_checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"], strict=False)
        best = {"best_step": float(state["global_step"])}
        kept = [row for row in validations if row["step"] == state["global_step"]]
    train = {name: value for name, value in rows[-1].items() if name.startswith("train/")}
    return train | {k: v for row in kept for k, v in row.items() if k.startswith("val/")} | best
