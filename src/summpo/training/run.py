"""The story of a training run, top to bottom: rows, tokens, frozen columns, batches, policy, fit, adapter, summary.

A step, many times within the fit: the policy's log-probs of a batch (`row_kinds`), the margin w . m from its columns,
the loss of each unit by the objective (`objectives/modpo.py`), its mean over the step's units in all processes, AdamW.
"""

import errno
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from summpo.columns.base import Base, find_base
from summpo.columns.reuse import give_back, reused
from summpo.columns.stage import DataStage, TextColumns
from summpo.files.ranks import is_first_process
from summpo.models.devices import check_device, check_kernels, float32_products
from summpo.runs.run_folder import RunFolder
from summpo.training.callbacks import read_metrics
from summpo.training.checks import check_models, require_rows, say_of_labels, say_of_rows, say_of_weights
from summpo.training.data import ColumnData
from summpo.training.module import TrainingModule
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
from summpo.training.settings import TrainSettings
from summpo.training.trainer import (
    begin_logging,
    elapsed,
    fit,
    keeps_base_whole,
    make_data,
    make_module,
    make_trainer,
    quiet,
    sample_callback,
)

log = logging.getLogger(__name__)

SPLITS = ("train", "validation")


def train(
    settings: TrainSettings,
    folder: Path | str,
    loggers: Sequence[Logger] = (),
    settings_files: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Trains as the settings say and leaves the run's files in `folder`; goes on where an earlier process stopped.

    Args:
        loggers: Lightning's, beside metrics.csv.
        settings_files: what goes into .hydra/ once the run begins, text by name.

    Returns:
        What summary.json holds.

    Raises:
        UserError: settings, data or model cannot be used; nothing was trained.
        BadLoss: the loss is not finite; the last good checkpoint stays.
    """
    run = RunFolder(Path(folder))
    alone = run.alone() if is_first_process() else nullcontext()
    with alone, quiet(), float32_products(settings.matmul_precision):
        return train_alone(settings, run, loggers, settings_files)


def train_alone(
    settings: TrainSettings, run: RunFolder, loggers: Sequence[Logger], settings_files: Mapping[str, str]
) -> dict[str, Any]:
    """The same, in a folder that no other run is in."""
    config = settings.record | {"output_dir": str(run.path)}
    done = run.check(config)
    if done is not None:
        log.info(run.done_already)
        return done
    accelerator, validation = settings.trainer.accelerator, settings.validation
    check_device(accelerator)
    check_kernels(accelerator, settings.model.attention, settings.compile)
    source = {split: source_of(settings, split) for split in SPLITS}
    source["validation"] = (source["validation"], (validation.times > 0, validation.rows))
    held_out = reused("validation rows", source["validation"], lambda: held_out_rows(settings))
    read = {"train": lambda: text_rows(settings, "train"), "validation": lambda: held_out}
    check_rows(settings, held_out, source["train"])
    base = find_base(settings.columns)
    check_models(settings, base)
    trainer = make_trainer(settings, run, loggers, sample_callback(settings, run, held_out, base))
    stage = DataStage(settings.columns, base, trainer.strategy.root_device)
    text = {split: stage.of_split(split, source[split], read[split]) for split in SPLITS}
    say_of_rows(text, settings.tokens.max_length)
    require_rows(text["train"], settings.tokens.max_length)
    settled = {"margin_means": text["train"].means(), "objective": settings.kind.settled(text["train"].labels)}
    text = {split: columns.against(settled["margin_means"]) for split, columns in text.items()}
    settings = settings.settled_with(settled["objective"])
    say_of_labels(settings, text["train"].labels)
    spreads = text["train"].spreads()
    say_of_weights(settings, text["train"], spreads)
    facts = facts_of(settings, base, text) | {"config": config, "margin_spreads": spreads, "settled": settled}
    if trainer.is_global_zero:
        run.begin(facts, settings_files)
    begin_logging(trainer.loggers, facts["config"])
    say_of_precision(settings)
    policy = make_policy(settings, base)
    say_of_logits(settings, policy)
    frozen = {split: stage.with_reference(text[split], spreads, policy) for split in SPLITS}
    stage.release()
    data = make_data(settings, frozen, base, trainer.world_size)
    module = make_module(settings, policy, data)
    fit(trainer, module, data, run)
    if not trainer.is_global_zero:
        return {}
    metrics = keep_best(module, run)
    weights = save(module.policy, base, settings, run)
    if keeps_base_whole(trainer) and not settings.compile:
        give_back(module.policy)
    summary = summary_of(settings, {"metrics": metrics} | done_by(trainer, module, data)) | facts
    run.write_summary(summary)
    log.info(f"{run.path}: done; weights in {weights}, numbers in {run.metrics_path} and {run.summary_path}")
    return summary


def facts_of(settings: TrainSettings, base: Base, text: Mapping[str, TextColumns]) -> dict[str, Any]:
    """What is known of a run before it trains: its rows, and what they and the model are."""
    tokens = {f"{split}_tokens": columns.fingerprint for split, columns in text.items()}
    return {
        "rows": {split: columns.tokenized.counts for split, columns in text.items()},
        "fingerprints": {"model": base.fingerprint, **tokens},
        "lora": lora_of(settings),
    }


def done_by(trainer: Trainer, module: TrainingModule, data: ColumnData) -> dict[str, Any]:
    """What a run has done: its time, its steps, what it has seen, and the reference point that it has come to."""
    point = {"reference_point": module.carried.tolist()} if module.carried[1] > 0 else {}
    return {"wall_time_s": round(elapsed(trainer), 1), "steps": trainer.global_step, **data.seen(), **point}


def summary_of(settings: TrainSettings, done: Mapping[str, Any]) -> dict[str, Any]:
    """What summary.json says first: what was trained, what came of it, and which versions of what did it."""
    return {
        "status": "done",
        "objective": type(settings.objective).__module__.rpartition(".")[-1],
        "w": settings.w,
        "seed": settings.seed,
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
