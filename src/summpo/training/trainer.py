"""Lightning's side of a run: data module, module, trainer with its callbacks and loggers, and the fit itself."""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from textwrap import shorten
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn

from summpo.columns.base import Base
from summpo.datasets import one_per_document
from summpo.errors import UserError
from summpo.models.weights.folders import stop_ids
from summpo.records import FrozenColumns, TokenRows
from summpo.runs.run_folder import RunFolder
from summpo.text.rows import Rows
from summpo.text.tokens import prompts_to_write_from
from summpo.text.turns import end_ids, without_ends
from summpo.training.callbacks import (
    LastCheckpoint,
    MetricsTable,
    SampleSummaries,
    ValidationSchedule,
    WholeFiles,
    best_checkpoint,
)
from summpo.training.data import ColumnData
from summpo.training.memory import MemoryNote
from summpo.training.module import TrainingModule
from summpo.training.plan import Plan
from summpo.training.settings import TrainSettings
from summpo.writing.decoding import Decoding

log = logging.getLogger(__name__)

NOISE = (
    r".*module\(s\) in eval mode.*",
    ".*dataloader is not resumable.*",
    ".*treespec, LeafSpec.*",
    ".*does not have many workers.*",
    ".*across ranks is zero.*",
    r".*recommended to use `self\.log\(.*sync_dist=True.*",
)
"""What Lightning says at every start and no user needs: modules in eval mode (a frozen base under an adapter), a loader
that it cannot know to be resumable, a run without validation, numbers to be synchronised that are the same in every
process already."""
LEVELS = {"lightning.pytorch": logging.WARNING, "lightning.fabric": logging.WARNING, "bitsandbytes": logging.ERROR}
"""From which level on libraries are heard: below are devices that are not there, advertisements, missing kernels."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what libraries say at every start; all is as it was afterwards."""
    loggers = {name: logging.getLogger(name) for name in LEVELS}
    before = {name: logger.level for name, logger in loggers.items()}
    try:
        for name, logger in loggers.items():
            logger.setLevel(LEVELS[name])
        with warnings.catch_warnings():
            for noise in NOISE:
                warnings.filterwarnings("ignore", noise)
            yield
    finally:
        for name, logger in loggers.items():
            logger.setLevel(before[name])


def make_data(settings: TrainSettings, frozen: dict[str, FrozenColumns], base: Base, world_size: int) -> ColumnData:
    """The data module: which rows make which step."""
    rows, validates = frozen["train"].rows, settings.validation.times > 0
    plan = Plan(
        rows=len(rows),
        batch_size=settings.batch_size,
        world_size=world_size,
        accumulate=settings.trainer.accumulate_grad_batches,
        seed=settings.seed,
        order=settings.order,
        batch_tokens=settings.batch_tokens,
        tokens=read_tokens(rows, base.shares_prefixes),
        pads=not base.shares_prefixes,
        prompts=prompt_numbers(rows) if settings.order == "by_prompt" else None,
    )
    return ColumnData(
        train=frozen["train"],
        validation=frozen["validation"] if validates and len(frozen["validation"]) else None,
        plan=plan,
        total_batches=plan.total_batches(settings.trainer.max_epochs, settings.trainer.max_steps),
        validations=settings.validation.times,
        eval_batch_size=settings.eval_batch_size,
        kind=settings.kind,
        layout=base.layout,
    )


def read_tokens(rows: TokenRows, shares_prefixes: bool) -> np.ndarray:
    """int64 [row]: the tokens that the model reads of each row by itself: its prompt once where prompts are shared,
    else padding too."""
    sides = np.stack([side.lengths for side in rows.completions])
    if shares_prefixes:
        return rows.prompts.lengths + sides.sum(axis=0)
    return len(sides) * (rows.prompts.lengths + sides.max(axis=0))


def prompt_numbers(rows: TokenRows) -> np.ndarray:
    """int64 [row]: the same number for rows of the same prompt, from 0."""
    known: dict[bytes, int] = {}
    digests = (hashlib.sha256(rows.prompts[row].tobytes()).digest() for row in range(len(rows)))
    return np.array([known.setdefault(digest, len(known)) for digest in digests], np.int64)


def make_module(settings: TrainSettings, policy: nn.Module, data: ColumnData) -> TrainingModule:
    """The Lightning module of the run's kind of rows."""
    weights = list(settings.weights.values())
    return TrainingModule(policy, settings.kind, weights, settings.optimizer, data.plan, data.total_steps)


def make_trainer(
    settings: TrainSettings, run: RunFolder, loggers: Sequence[Logger], samples: Sequence[Callback]
) -> Trainer:
    """Lightning's trainer over one stream of batches: the run's epochs are the data module's affair.

    Raises:
        UserError: Lightning cannot be made of its arguments.
    """
    arguments = settings.trainer
    checkpoint_best = [best_checkpoint(run.checkpoints)] if settings.validation.times else []
    given = arguments.given
    callbacks = [
        ValidationSchedule(),
        MetricsTable(run.metrics_path, arguments.log_every_n_steps),
        *samples,
        *checkpoint_best,
        LastCheckpoint(run.last_checkpoint, settings.checkpoint_every),
        MemoryNote(),
    ]
    own = {"max_epochs": 1, "max_steps": -1, "num_sanity_val_steps": 0, "use_distributed_sampler": False}
    try:
        timer = Timer(duration=given.pop("max_time", None), interval="step")  # beside one of ours Lightning makes none
        return Trainer(
            **{"enable_model_summary": False, **given, **own, "strategy": arguments.made_strategy()},
            default_root_dir=run.path,
            logger=list(loggers),
            plugins=[WholeFiles()],
            callbacks=[timer, *callbacks],
        )
    except Exception as error:  # whatever Lightning, or a strategy, raises of an argument that it cannot use
        why = shorten(" ".join(str(error).split()), 400).rstrip(".") or type(error).__name__
        raise UserError(f"the trainer cannot be made of these settings: {why} (config keys trainer.*)") from error


def begin_logging(loggers: Sequence[Logger], config: dict[str, Any]) -> None:
    """Tells every logger the run's settings: the first word to its server or folder.

    Raises:
        UserError: what it cannot be told for, whatever a logger raises then.
    """
    for logger in loggers:
        try:
            logger.log_hyperparams(config)
        except Exception as error:
            why = shorten(" ".join(str(error).split()), 400) or type(error).__name__
            raise UserError(f"{type(logger).__name__} cannot begin: {why} (config keys logger.*)") from error


def sample_callback(settings: TrainSettings, run: RunFolder, rows: Rows, base: Base) -> list[Callback]:
    """The callback that writes a few summaries of validation documents; none where none are asked for."""
    validation, limits, start = settings.validation, settings.tokens, settings.start
    documents = one_per_document([row.as_summary for row in rows], limits.empty)[: validation.samples]
    decoding = Decoding(max_new_tokens=validation.max_new_tokens)
    if not documents or not validation.times or settings.trains_scorer:
        return []
    room, key = decoding.max_new_tokens, "validation.max_new_tokens"
    documents = without_ends(documents, base.tokenizer, settings.prompt)
    prompts, _ = prompts_to_write_from(documents, base.tokenizer, settings.prompt, limits, room, key)
    is_on_base = settings.trains_adapter and settings.frozen == replace(start, adapter=None)
    ends = end_ids(base.tokenizer, settings.prompt, stop_ids(base.folder))
    path, base_is_reference = run.validation_samples_path, settings.needs_reference and is_on_base
    return [SampleSummaries(path, documents, prompts, base.tokenizer, decoding, ends, base_is_reference)]


def fit(trainer: Trainer, module: LightningModule, data: ColumnData, run: RunFolder) -> None:
    """Trains from the start, or from the last checkpoint; leaves no other process and no open logger."""
    resume = run.last_checkpoint if run.last_checkpoint.exists() else None
    if resume is not None:
        log.info(f"{run.path}: goes on from {resume}")
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


def keeps_base_whole(trainer: Trainer) -> bool:
    """Whether a fit leaves the base's layers as they were: FSDP and DeepSpeed cut them up."""
    return isinstance(trainer.strategy, SingleDeviceStrategy)


def elapsed(trainer: Trainer) -> float:
    """Seconds spent training and validating, over every process that the run was resumed in."""
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    return timer.time_elapsed("train")
