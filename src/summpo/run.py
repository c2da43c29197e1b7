"""The story of a training run, top to bottom: rows, tokens, frozen columns, batches, policy, fit, adapter, summary."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from omegaconf import DictConfig
from torch import nn

from summpo.assemble import (
    Base,
    check_reference,
    load_base,
    lora_of,
    make_policy,
    margin_column,
    margin_rewards,
    reference_column,
    reference_scorer,
    require_rows,
    row_counts,
    spreads_of,
    text_rows,
)
from summpo.build import TrainParts, train_parts
from summpo.callbacks import read_metrics
from summpo.compose import plain
from summpo.fitting import elapsed, fit, make_data, make_module, make_trainer, sample_callback
from summpo.freeze import Freezer
from summpo.models.adapters import save_adapter
from summpo.models.fingerprints import fingerprint_tokenizer
from summpo.models.saving import save_full
from summpo.models.sources import base_name
from summpo.records import FrozenColumns
from summpo.run_folder import RunFolder

SPLITS = ("train", "validation")


def train(config: DictConfig, folder: Path, settings_files: Mapping[str, str]) -> dict[str, Any]:
    """Trains as `config` says and leaves the run's files in `folder`; goes on where an earlier process stopped.

    Args:
        settings_files: what goes into .hydra/ once the run begins, text by name.

    Returns:
        What summary.json holds.

    Raises:
        UserError: configuration, data or model cannot be used; nothing was trained.
        BadLoss: the loss is not finite; the last good checkpoint stays.
    """
    run = RunFolder(folder)
    done = run.check(plain(config))
    if done is not None:
        print(run.done_already)
        return done
    parts = train_parts(config)
    held_out = text_rows(parts, "validation")[: config.validation.rows] if config.validation.times else []
    rows = {"train": text_rows(parts, "train"), "validation": held_out}
    base = load_base(parts, Path(config.cache_dir))
    check_reference(parts, base)
    freezer = Freezer(base.store, base.tokenizer, fingerprint_tokenizer(base.tokenizer))
    tokens = {split: freezer.tokens(rows[split], parts.prompt, parts.limits) for split in SPLITS}
    require_rows(tokens["train"][0], parts.limits)
    rewards = {split: margin_rewards(freezer, parts, rows[split], tokens[split][0]) for split in SPLITS}
    spreads = spreads_of(rewards["train"])
    margins = {split: margin_column(tokens[split][0], rewards[split], parts, spreads) for split in SPLITS}
    facts = {
        "rows": row_counts(tokens),
        "fingerprints": {"model": base.fingerprint, **{f"{split}_tokens": tokens[split][1] for split in SPLITS}},
        "margin_spreads": spreads,
        "lora": lora_of(parts),
        "config": plain(config),
    }
    trainer = make_trainer(config, run, sample_callback(config, run, parts, rows["validation"], base.tokenizer))
    if trainer.is_global_zero:
        run.begin(facts, settings_files)
    policy = make_policy(parts, base, config.seed)
    score = reference_scorer(parts, base, policy, config, trainer.strategy.root_device)
    reference = {split: reference_column(freezer, parts, base, tokens[split][0], config, score) for split in SPLITS}
    frozen = {split: FrozenColumns(tokens[split][0].rows, reference[split], margins[split]) for split in SPLITS}
    data = make_data(config, parts, frozen, base, trainer.world_size)
    module = make_module(parts, policy, data)
    fit(trainer, module, data, run, facts["config"])
    if not trainer.is_global_zero:
        return {}
    metrics = keep_best(module, run)
    weights = save(module.policy, base, parts, run)
    summary = {
        "status": "done",
        "objective": type(parts.objective).__module__.rpartition(".")[2],
        "w": config.w,
        "seed": config.seed,
        "metrics": metrics,
        "wall_time_s": round(elapsed(trainer), 1),
        "steps": trainer.global_step,
        **data.seen(),
        "versions": {name: version(name) for name in ("summpo", "torch", "transformers", "peft", "lightning")}
        | {"python": platform.python_version()},
        **facts,
    }
    run.write_summary(summary)
    print(f"{folder}: done; weights in {weights}, numbers in {run.metrics_path} and {run.summary_path}")
    return summary


def keep_best(module: LightningModule, run: RunFolder) -> dict[str, float]:
    """Gives the policy the weights of the best validation.

    Returns:
        train/ of the last step, val/ of the weights that are kept, and their step as best_step where there is a best.
    """
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


def save(policy: nn.Module, base: Base, parts: TrainParts, run: RunFolder) -> Path:
    """The adapter, or the whole model where all weights trained; returns its folder."""
    policy.to("cpu")
    if parts.lora is None and parts.model.adapter is None:
        save_full(policy, run.model, base.tokenizer)  # type: ignore[arg-type]
        return run.model
    name = base_name(parts.model, base.folder)  # a Hub id or a folder: what plain PEFT finds again
    save_adapter(policy, run.adapter, name, base.fingerprint, base.tokenizer)  # type: ignore[arg-type]
    return run.adapter
