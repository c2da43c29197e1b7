"""The story of a training run, top to bottom: rows, tokens, frozen columns, batches, policy, fit, adapter, summary."""

import logging
import platform
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig
from torch import nn
from transformers import PreTrainedTokenizerBase

from summpo import batches
from summpo.build import TrainParts, train_parts
from summpo.callbacks import (
    LastCheckpoint,
    MetricsTable,
    SampleSummaries,
    ValidationSchedule,
    WholeFiles,
    best_checkpoint,
    read_metrics,
)
from summpo.columns import ColumnStore
from summpo.compose import plain
from summpo.data import ColumnData
from summpo.decoding import Decoding
from summpo.errors import require
from summpo.freeze import Freezer, score_completions
from summpo.models.adapters import add_lora, load_adapter, save_adapter
from summpo.models.fingerprints import fingerprint_adapter, fingerprint_tokenizer, fingerprint_weights
from summpo.models.loading import load_base as load_model
from summpo.models.loading import load_tokenizer
from summpo.models.saving import save_full
from summpo.models.sources import base_name, check_context, resolve
from summpo.module import PreferenceModule, SFTModule
from summpo.records import FrozenColumns, Ragged, TokenRows
from summpo.rows import PairRow, SummaryRow
from summpo.run_folder import RunFolder
from summpo.tokens import Limits, Tokenized, prompt_tokens

Rows = Sequence[SummaryRow] | Sequence[PairRow]
AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
SPLITS = ("train", "validation")


# What Lightning says at every start and no user needs: devices that are not there, an advertisement, modules in eval
# mode (a frozen base under an adapter), a loader that it cannot know to be resumable, a run without validation, numbers
# to be synchronised that are the same in every process already.
for library in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(library).setLevel(logging.WARNING)
for noise in (
    r".*module\(s\) in eval mode.*",
    ".*dataloader is not resumable.*",
    ".*treespec, LeafSpec.*",
    ".*does not have many workers.*",
    ".*across ranks is zero.*",
    r".*recommended to use `self\.log\(.*sync_dist=True.*",
):
    warnings.filterwarnings("ignore", noise)


def train(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Trains as `config` says and leaves the run's files in `folder`; goes on where an earlier process stopped.

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
    rows = {"train": text_rows(parts, "train"), "validation": text_rows(parts, "validation")[: config.validation.rows]}
    base = load_base(parts, Path(config.cache_dir))
    freezer = Freezer(base.store, base.tokenizer, fingerprint_tokenizer(base.tokenizer))
    tokens = {split: freezer.tokens(rows[split], parts.prompt, parts.limits) for split in SPLITS}
    require_rows(tokens["train"][0], parts.limits)
    margins = {split: margin_column(freezer, parts, rows[split], tokens[split][0]) for split in SPLITS}
    facts = {
        "rows": row_counts(tokens),
        "fingerprints": {"model": base.fingerprint, **{f"{split}_tokens": tokens[split][1] for split in SPLITS}},
        "config": plain(config),
    }
    trainer = make_trainer(config, run, sample_callback(config, run, parts, rows["validation"], base.tokenizer))
    if trainer.is_global_zero:
        run.begin(facts)
    policy = make_policy(parts, base, config.seed)
    score = reference_scorer(parts, base, policy, config, trainer.strategy.root_device)
    reference = {split: reference_column(freezer, parts, base, *tokens[split], config, score) for split in SPLITS}
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
        "objective": parts.objective.__class__.__name__.lower(),
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


@dataclass(frozen=True)
class Base:
    """The model's folder on this disk, its tokenizer, what the store knows it by, and the store."""

    folder: Path
    tokenizer: PreTrainedTokenizerBase
    fingerprint: str
    store: ColumnStore
    cache: Path

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]


def load_base(parts: TrainParts, cache: Path) -> Base:
    """Finds (or fetches, or converts) the model and loads its tokenizer; the weights stay on the disk."""
    folder = resolve(parts.model, cache)
    check_context(folder, parts.limits.max_length)
    return Base(
        folder=folder,
        tokenizer=load_tokenizer(folder, parts.model.trust_remote_code),
        fingerprint=fingerprint_weights(folder, cache),
        store=ColumnStore(cache / "columns"),
        cache=cache,
    )


def text_rows(parts: TrainParts, split: str) -> Rows:
    """The data set's rows of a split, as many as its limit allows, of the kind that the objective learns from."""
    read = parts.dataset.pairs if parts.objective.learns_from == "pairs" else parts.dataset.summaries  # type: ignore[union-attr]
    return read(split)[: parts.dataset.limit]  # type: ignore[index]


def require_rows(train: Tokenized, limits: Limits) -> None:
    """Stops a run that has nothing to train on, and says where the rows went."""
    reasons = ", ".join(f"{name} {n}" for name, n in train.counts.items()) or "the split is empty"
    require(len(train.rows) > 0, f"no training row is left ({reasons}); tokens.max_length is {limits.max_length}")


def row_counts(tokens: dict[str, tuple[Tokenized, str]]) -> dict[str, dict[str, int]]:
    """What became of the rows of each split, by reason."""
    return {split: tokenized.counts for split, (tokenized, _) in tokens.items()}


def margin_column(freezer: Freezer, parts: TrainParts, rows: Rows, tokenized: Tokenized) -> np.ndarray:
    """float32 [row, reward]: every margin reward of the rows; no column for SFT."""
    if parts.objective.learns_from == "completions":
        return np.zeros((len(tokenized.rows), 0), np.float32)
    return freezer.margins(rows, tokenized.kept, {name: m.reward for name, m in parts.margins.items()})  # type: ignore[arg-type]


def make_policy(parts: TrainParts, base: Base, seed: int) -> nn.Module:
    """The model that trains: on a fresh adapter, on the adapter that the run starts from, or in all its weights."""
    torch.manual_seed(seed)
    model = load_model(base.folder, parts.model)
    if parts.model.adapter is not None:
        return load_adapter(model, Path(parts.model.adapter), base.fingerprint, trainable=True)
    if parts.lora is not None:
        return add_lora(model, parts.lora)
    require(parts.model.quantization is None, "quantised weights cannot train: set lora, or model.quantization=null")
    return model


def reference_scorer(
    parts: TrainParts, base: Base, policy: nn.Module | None, config: DictConfig, device: torch.device
) -> Callable[[TokenRows], tuple[Ragged, ...]]:
    """The function that gives a split's reference log-probs.

    Where the reference is what the policy starts from, the `policy` before its first step is the reference.
    """

    def score(rows: TokenRows) -> tuple[Ragged, ...]:
        is_policy = policy is not None and parts.reference == parts.model
        model = policy if is_policy else load_reference(parts, base)
        return score_completions(
            model.to(device),  # type: ignore[union-attr]
            rows,
            batch_size=config.eval_batch_size,
            pad_id=base.pad_id,
            autocast=AUTOCAST[config.trainer.precision],
            progress=config.trainer.enable_progress_bar,
        )

    return score


def load_reference(parts: TrainParts, base: Base) -> nn.Module:
    """The frozen model that the config names as the reference."""
    folder = resolve(parts.reference, base.cache)
    model = load_model(folder, parts.reference)
    if parts.reference.adapter is None:
        return model
    weights = fingerprint_weights(folder, base.cache)
    return load_adapter(model, Path(parts.reference.adapter), weights, trainable=False)


def reference_column(
    freezer: Freezer, parts: TrainParts, base: Base, tokenized: Tokenized, tokens_key: str, config: DictConfig, score
) -> tuple[Ragged, ...] | None:
    """The reference's token log-probs of a split, from the store where they are known; None where none is needed."""
    if parts.objective.learns_from == "completions" or not parts.objective.needs_reference:  # type: ignore[union-attr]
        return None
    reference = parts.reference
    folder = resolve(reference, base.cache)
    weights = {
        "model": fingerprint_weights(folder, base.cache),
        "adapter": fingerprint_adapter(Path(reference.adapter)) if reference.adapter else None,
        "settings": [reference.dtype, reference.quantization, reference.attention],
    }
    return freezer.reference(tokenized, tokens_key, weights, config.trainer.precision, score)


def make_data(
    config: DictConfig, parts: TrainParts, frozen: dict[str, FrozenColumns], base: Base, world_size: int
) -> ColumnData:
    """The data module: which rows make which step."""
    plan = batches.Plan(
        rows=len(frozen["train"]),
        batch_size=config.batch_size,
        world_size=world_size,
        accumulate=config.trainer.accumulate_grad_batches,
        seed=config.seed,
    )
    from_pairs = parts.objective.learns_from == "pairs"
    return ColumnData(
        train=frozen["train"],
        validation=frozen["validation"] if config.validation.times and len(frozen["validation"]) else None,
        plan=plan,
        total_batches=plan.total_batches(config.trainer.max_epochs, config.trainer.max_steps),
        validations=config.validation.times,
        eval_batch_size=config.eval_batch_size,
        make_batch=batches.pair_batch if from_pairs else batches.completion_batch,
        counts_tokens=not from_pairs,
        pad_id=base.pad_id,
    )


def make_module(parts: TrainParts, policy: nn.Module, data: ColumnData) -> SFTModule | PreferenceModule:
    """The Lightning module of the objective's kind."""
    if parts.objective.learns_from == "completions":
        return SFTModule(policy, parts.objective, parts.optimizer, data.plan, data.total_steps)  # type: ignore[arg-type]
    weights = [margin.weight for margin in parts.margins.values()]
    return PreferenceModule(policy, parts.objective, weights, parts.optimizer, data.plan, data.total_steps)  # type: ignore[arg-type]


def make_trainer(config: DictConfig, run: RunFolder, samples: list[Callback]) -> Trainer:
    """Lightning's trainer over one stream of batches: the run's epochs are the data module's affair."""
    settings = config.trainer
    checkpoint_best = [best_checkpoint(run.checkpoints)] if config.validation.times else []
    return Trainer(
        max_epochs=1,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision=settings.precision,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        gradient_clip_val=settings.gradient_clip_val,
        log_every_n_steps=settings.log_every_n_steps,
        enable_progress_bar=settings.enable_progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=run.path,
        logger=[instantiate(node) for node in (config.logger or {}).values()],
        plugins=[WholeFiles()],
        callbacks=[
            Timer(interval="step"),
            ValidationSchedule(),
            MetricsTable(run.metrics_path, settings.log_every_n_steps),
            *samples,
            *checkpoint_best,
            LastCheckpoint(run.last_checkpoint, config.checkpoint_every),
        ],
    )


def sample_callback(
    config: DictConfig, run: RunFolder, parts: TrainParts, rows: Rows, tokenizer: PreTrainedTokenizerBase
) -> list[Callback]:
    """The callback that writes a few summaries of validation documents; none where none are asked for."""
    chosen = list({row.document: row for row in reversed(rows)}.values())[::-1][: config.validation.samples]
    documents = [as_summary(row) for row in chosen]
    decoding = Decoding(max_new_tokens=config.validation.max_new_tokens)
    cut = replace(parts.limits, too_long="truncate_document")
    prompts = [prompt_tokens(row, tokenizer, parts.prompt, cut, decoding.max_new_tokens)[0] for row in documents]
    if not documents or not config.validation.times:
        return []
    return [SampleSummaries(run.validation_samples_path, documents, prompts, tokenizer, decoding)]


def as_summary(row: SummaryRow | PairRow) -> SummaryRow:
    """A pair's document with its chosen summary."""
    if isinstance(row, SummaryRow):
        return row
    return SummaryRow(row.id, row.document, row.chosen, (row.reference or row.chosen,), row.prompt)


def fit(trainer: Trainer, module: LightningModule, data: ColumnData, run: RunFolder, config: dict[str, Any]) -> None:
    """Trains from the start, or from the last checkpoint; leaves no other process and no open logger."""
    resume = run.last_checkpoint if run.last_checkpoint.exists() else None
    if resume is not None:
        print(f"{run.path}: goes on from {resume}")
    for logger in trainer.loggers:
        logger.log_hyperparams(config)
    try:
        trainer.fit(module, data, ckpt_path=resume)
    except BaseException:
        stop_others(trainer)
        raise
    close(trainer.loggers)


def stop_others(trainer: Trainer) -> None:
    """Ends the other processes of a run that failed: they wait for this one.

    Their list is emptied, or Lightning's watcher would take their end for a failure of theirs and kill this process.
    """
    processes = getattr(trainer.strategy.launcher, "procs", [])
    for process in processes:
        process.kill()
        process.wait()
    processes.clear()


def close(loggers: Sequence[Logger]) -> None:
    """Ends the W&B run, so that the next point of a sweep begins its own and does not go on with this one."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


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


def elapsed(trainer: Trainer) -> float:
    """Seconds spent training and validating, over every process that the run was resumed in."""
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    return timer.time_elapsed("train")
