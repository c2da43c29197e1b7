"""What happens beside the training step: rows of metrics.csv, checkpoints, summaries for the eye."""

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from transformers import PreTrainedTokenizerBase

from summpo.models.forward.layouts import pad
from summpo.models.forward.log_probs import completion_logits
from summpo.records import Batch
from summpo.row_kinds.metrics import kl_divergence
from summpo.runs.run_folder import naming, whole_lines, write_whole
from summpo.text.rows import SummaryRow
from summpo.writing.answers import answer_of, opens_thought
from summpo.writing.decoding import Decoding
from summpo.writing.generation import generate

if TYPE_CHECKING:
    from peft import PeftModel


class MetricsTable(Callback):
    """metrics.csv: one row a logging step, with the validation's numbers in the row of the step they were taken at.

    A resumed run drops the rows after its checkpoint, so the file reads as if nothing had happened.
    """

    def __init__(self, path: Path, log_every: int) -> None:
        self.path, self.log_every = path, log_every
        self.rows: list[dict[str, float]] = []
        self.columns = ["step", "epoch"]

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows = [row for row in read_metrics(self.path) if row["step"] <= trainer.global_step]
        self._add_columns({name for row in self.rows for name in row})
        self._write()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        steps_now = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        if steps_now and (trainer.global_step % self.log_every == 0 or trainer.is_last_batch):
            self._add(trainer, "train/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._add(trainer, "val/")

    @rank_zero_only
    def _add(self, trainer: Trainer, prefix: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        row = {"step": trainer.global_step, "epoch": round(data.plan.epochs_after(data.batches_taken), 4)}
        row |= {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(prefix)}
        is_new = not self.rows or self.rows[-1]["step"] != row["step"]
        if is_new:
            self.rows.append({})
        self.rows[-1] |= row
        if self._add_columns(row.keys()) or not is_new:
            self._write()
        else:
            with naming(self.path), self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.columns).writerow(row)

    def _add_columns(self, names: Iterable[str]) -> bool:
        """Whether there are new ones."""
        known = len(self.columns)
        self.columns = ["step", "epoch", *sorted({*self.columns, *names} - {"step", "epoch"})]
        return len(self.columns) > known

    def _write(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns)
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, text.getvalue())


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv, empty cells left out."""
    kinds: dict[str, type] = {"step": int}
    rows = csv.DictReader(whole_lines(path))
    return [{name: kinds.get(name, float)(value) for name, value in row.items() if value} for row in rows]


class ValidationSchedule(Callback):
    """Validates after the data module's `validation_points` alone, so that the last is at the run's end."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Lightning asks `(batch_idx + 1) % val_check_batch == 0` once the batch is done.
        trainer.val_check_batch = batch_idx + 1 if _validates_after(trainer, batch_idx) else float("inf")


class LastCheckpoint(Checkpoint):
    """last.ckpt, for an exact resume: every so many optimizer steps, and after each validation, not before it.

    What a step did to the weights shows in the next loss. Until that is known to be finite the checkpoint waits beside
    the last good one.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.waiting = path.with_name("next.ckpt")
        self.has_waiting = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._accept()
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        due = trainer.global_step % self.every == 0 or trainer.is_last_batch
        if stepped and due and not _validates_after(trainer, batch_idx):
            self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._save(trainer)
            self._accept()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._accept()

    @rank_zero_only
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.waiting.unlink(missing_ok=True)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.waiting)
        self.has_waiting = True

    def _accept(self) -> None:
        if self.has_waiting:
            _rename(self.waiting, self.path)
        self.has_waiting = False


@rank_zero_only
def _rename(old: Path, new: Path) -> None:
    os.replace(old, new)


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a full disk or a kill leaves the one before as it was.

    Lightning's own way leads through the system's temporary folder, and is a copy where that is another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Saves the checkpoint, whole or not at all.

        Raises:
            OSError: the disk is full or refuses; names the file.
        """
        path = Path(path)
        partial = path.with_name(f".{path.name}.partial")
        memory = io.BytesIO()
        torch.save(checkpoint, memory)  # straight into a file it would make a RuntimeError of a full disk
        try:
            with naming(path):
                path.parent.mkdir(exist_ok=True)  # in the run's folder, which is not made anew where it was taken away
                with partial.open("wb") as file:
                    file.write(memory.getbuffer())
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


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
    """Writes a few summaries at each validation to validation_samples.jsonl, and to W&B as a table where it logs.

    Where the base under the adapter is the reference, val/kl_to_reference says how far the policy has gone from it: the
    KL divergence of their next-token distributions, in nats, added up along each of these summaries; their mean. A
    resumed run drops those after its checkpoint, as `MetricsTable` does.
    """

    def __init__(
        self,
        path: Path,
        rows: Sequence[SummaryRow],
        prompts: Sequence[Sequence[int]],
        tokenizer: PreTrainedTokenizerBase,
        decoding: Decoding,
        end_ids: Sequence[int],
        base_is_reference: bool,
    ) -> None:
        self.path, self.rows, self.prompts, self.end_ids = path, rows, prompts, end_ids
        self.tokenizer, self.decoding, self.base_is_reference = tokenizer, decoding, base_is_reference

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        kept = [line for line in whole_lines(self.path) if json.loads(line)["step"] <= trainer.global_step]
        write_whole(self.path, "".join(kept))

    @rank_zero_only
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the samples of this step, and how far the policy is from its base along them."""
        if trainer.sanity_checking or not self.rows:
            return
        pad_id = int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]
        written = generate(pl_module.policy, self.prompts, self.decoding, end_ids=self.end_ids, pad_id=pad_id)  # type: ignore[arg-type]
        opened = [opens_thought(prompt, self.tokenizer) for prompt in self.prompts]
        answers = [
            answer_of(replace(one, opened=own), self.tokenizer) for one, own in zip(written, opened, strict=True)
        ]
        samples = [
            {
                "step": trainer.global_step,
                "id": row.id,
                "document": row.document,
                "summary": answer.text,
                "references": list(row.references or (row.summary,)),
                "length_tokens": len(one.ids) - answer.thought_tokens,
                "ended": one.ended,
                "thought_tokens": answer.thought_tokens,
            }
            for row, one, answer in zip(self.rows, written, answers, strict=True)
        ]
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                table = [[str(value) for value in sample.values()] for sample in samples]
                logger.log_table("val/samples", columns=list(samples[0]), data=table)
        if self.base_is_reference:
            completions = [[*one.ids, *([] if one.end is None else [one.end])] for one in written]
            kl = kl_to_base(pl_module.policy, self.prompts, completions, pad_id)  # type: ignore[arg-type]
            pl_module.log("val/kl_to_reference", kl, rank_zero_only=True)


@torch.inference_mode()
def kl_to_base(
    policy: "PeftModel", prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], pad_id: int
) -> float:
    """Mean over the completions of the KL divergence, in nats, of the policy from the base under its adapter.

    Exact in each next-token distribution, which are added up along the completion.
    """
    sequences = [(np.asarray(prompt), np.asarray(ids)) for prompt, ids in zip(prompts, completions, strict=True)]
    batch = Batch(row_ids=(), share=torch.ones(len(sequences)), **pad(sequences, pad_id)).to(policy.device)
    logits = completion_logits(policy, batch)
    with policy.disable_adapter():
        total = kl_divergence(logits, completion_logits(policy, batch)).sum()
    return total.item() / len(sequences)
