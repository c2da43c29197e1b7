"""What happens beside the training step: rows of metrics.csv, checkpoints, summaries for the eye."""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from transformers import PreTrainedTokenizerBase

from summpo.decoding import Decoding
from summpo.generation import generate
from summpo.rows import SummaryRow


class MetricsTable(Callback):
    """metrics.csv: one row a logging step, with the validation's numbers in the row of the step they were taken at.

    A resumed run drops the rows after its checkpoint, so the file reads as if nothing had happened.
    """

    def __init__(self, path: Path, log_every: int) -> None:
        self.path, self.log_every = path, log_every
        self.rows: list[dict[str, float]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step and self.path.exists():
            with self.path.open(newline="") as file:
                self.rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
        self.rows = [row for row in self.rows if row["step"] <= trainer.global_step]
        self._write()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        steps_now = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        if steps_now and (trainer.global_step % self.log_every == 0 or trainer.is_last_batch):
            epoch = (batch_idx + 1) / trainer.datamodule.plan.batches_per_epoch  # type: ignore[attr-defined]
            self._add(trainer, {"step": trainer.global_step, "epoch": round(epoch, 4)}, "train/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._add(trainer, {"step": trainer.global_step}, "val/")

    @rank_zero_only
    def _add(self, trainer: Trainer, row: dict[str, float], prefix: str) -> None:
        row |= {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(prefix)}
        if self.rows and self.rows[-1]["step"] == row["step"]:
            self.rows[-1] |= row
            self._write()
        else:
            is_known = bool(self.rows) and self._columns() == self._columns([row])
            self.rows.append(row)
            self._write(only_last=is_known)

    def _columns(self, more: list[dict[str, float]] | None = None) -> list[str]:
        names = {name for row in [*self.rows, *(more or [])] for name in row} - {"step", "epoch"}
        return ["step", "epoch", *sorted(names)]

    @rank_zero_only
    def _write(self, only_last: bool = False) -> None:
        if only_last:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self._columns()).writerow(self.rows[-1])
            return
        temporary = self.path.with_suffix(".csv.tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns())
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(temporary, self.path)


class ValidationSchedule(Callback):
    """Validates after the data module's `validation_points` alone, so that the last is at the run's end."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Lightning asks `(batch_idx + 1) % val_check_batch == 0` once the batch is done.
        trainer.val_check_batch = batch_idx + 1 if _validates_after(trainer, batch_idx) else float("inf")


class LastCheckpoint(Checkpoint):
    """last.ckpt, for an exact resume: every so many optimizer steps, and after each validation, not before it."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        due = trainer.global_step % self.every == 0 or trainer.is_last_batch
        if stepped and due and not _validates_after(trainer, batch_idx):
            trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.path)


def _validates_after(trainer: Trainer, batch_idx: int) -> bool:
    return batch_idx + 1 in trainer.datamodule.validation_points  # type: ignore[attr-defined]


def best_checkpoint(folder: Path) -> ModelCheckpoint:
    """best.ckpt: the trainable weights at the lowest val/loss."""
    return ModelCheckpoint(
        folder,
        filename="best",
        monitor="val/loss",
        every_n_epochs=1,
        save_on_train_epoch_end=False,
        save_weights_only=True,
        # Else Lightning writes best-v1.ckpt beside a best.ckpt that an earlier process of the same run wrote.
        enable_version_counter=False,
    )


class SampleSummaries(Callback):
    """Writes a few summaries at each validation to validation_samples.jsonl, and to W&B as a table where it logs."""

    def __init__(
        self,
        path: Path,
        rows: Sequence[SummaryRow],
        prompts: Sequence[Sequence[int]],
        tokenizer: PreTrainedTokenizerBase,
        decoding: Decoding,
    ) -> None:
        self.path, self.rows, self.prompts = path, rows, prompts
        self.tokenizer, self.decoding = tokenizer, decoding

    @rank_zero_only
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not self.rows:
            return
        eos_id, pad_id = int(self.tokenizer.eos_token_id), int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]
        written = generate(pl_module.policy, self.prompts, self.decoding, eos_id=eos_id, pad_id=pad_id)  # type: ignore[arg-type]
        samples = [
            {
                "step": trainer.global_step,
                "id": row.id,
                "document": row.document,
                "summary": self.tokenizer.decode(one.ids, skip_special_tokens=True),
                "references": list(row.references or (row.summary,)),
                "length_tokens": len(one.ids),
                "ended": one.ended,
            }
            for row, one in zip(self.rows, written, strict=True)
        ]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                table = [[str(value) for value in sample.values()] for sample in samples]
                logger.log_table("val/samples", columns=list(samples[0]), data=table)
