"""Files beside the training step: metrics.csv, checkpoints that are whole and good, samples that a resume does not repeat."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from summpo.models import Lora, Model
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from summpo.runs.run_folder import whole_lines
from summpo.training.callbacks import (
    LastCheckpoint,
    MetricsTable,
    SampleSummaries,
    ValidationSchedule,
    WholeFiles,
    kl_to_base,
    read_metrics,
)
from summpo.training.plan import Plan
from summpo.writing.generation import Decoding


class Trainer(SimpleNamespace):
    """What the callbacks ask of a trainer: batches of one optimizer step, four an epoch."""

    def __init__(self, validation_points: set[int] | None = None, batches: int = 8, accumulate: int = 1) -> None:
        super().__init__(
            global_step=0,
            batches=batches,
            accumulate_grad_batches=accumulate,
            is_last_batch=False,
            sanity_checking=False,
            callback_metrics={},
            val_check_batch=None,
            loggers=[],
            saved=[],
            datamodule=SimpleNamespace(
                validation_points=validation_points or set(),
                batches_taken=0,
                plan=Plan(rows=4, batch_size=1, world_size=1, accumulate=1, seed=0),
            ),
        )

    def save_checkpoint(self, path: Path) -> None:
        path.write_text(str(self.global_step))
        self.saved.append(self.global_step)

    def batch(self, callback: Any) -> None:
        """One batch, and the validation after it where one is due, as Lightning calls the callback."""
        index = self.datamodule.batches_taken
        self.datamodule.batches_taken += 1
        self.is_last_batch = index + 1 == self.batches
        if (index + 1) % self.accumulate_grad_batches == 0 or self.is_last_batch:
            self.global_step += 1
        self.callback_metrics["train/loss"] = torch.tensor(1.0 / (index + 1))
        callback.on_train_batch_end(self, None, None, None, index)
        if index + 1 in self.datamodule.validation_points:
            self.callback_metrics["val/loss"] = torch.tensor(2.0)
            callback.on_validation_end(self, None)


# -- metrics.csv --------------------------------------------------------------------------------------------------------


def table_of(path: Path, trainer: Trainer, log_every: int = 1) -> MetricsTable:
    table = MetricsTable(path, log_every)
    table.on_train_start(trainer, None)  # type: ignore[arg-type]
    return table


def test_a_row_a_step_with_the_validation_in_the_row_of_its_step(tmp_path: Path) -> None:
    file, trainer = tmp_path / "metrics.csv", Trainer(validation_points={2, 4}, batches=4)
    table = table_of(file, trainer)
    for _ in range(4):
        trainer.batch(table)
    assert file.read_text().splitlines() == [
        "step,epoch,train/loss,val/loss",
        "1,0.25,1.0,",
        "2,0.5,0.5,2.0",
        "3,0.75,0.3333333432674408,",
        "4,1.0,0.25,2.0",
    ]


def test_rows_come_every_so_many_steps_at_validations_and_at_the_end(tmp_path: Path) -> None:
    file, trainer = tmp_path / "metrics.csv", Trainer(validation_points={5}, batches=8)
    table = table_of(file, trainer, log_every=3)
    for _ in range(8):
        trainer.batch(table)
    assert [(row["step"], "train/loss" in row) for row in read_metrics(file)] == [
        (3, True),
        (5, False),
        (6, True),
        (8, True),
    ]


def test_accumulated_batches_are_one_row(tmp_path: Path) -> None:
    file, trainer = tmp_path / "metrics.csv", Trainer(batches=5, accumulate=2)
    table = table_of(file, trainer)
    for _ in range(5):
        trainer.batch(table)
    assert [(row["step"], row["epoch"]) for row in read_metrics(file)] == [(1, 0.5), (2, 1.0), (3, 1.25)]


def test_a_resumed_run_drops_the_rows_after_its_checkpoint_and_a_torn_one(tmp_path: Path) -> None:
    file, trainer = tmp_path / "metrics.csv", Trainer()
    table = table_of(file, trainer)
    for _ in range(5):
        trainer.batch(table)
    whole = file.read_bytes()
    with file.open("a") as opened:
        opened.write("1")  # the beginning of "12,...": not step 1 once more
    resumed = Trainer()
    resumed.global_step = resumed.datamodule.batches_taken = 3
    table = table_of(file, resumed)
    assert [row["step"] for row in read_metrics(file)] == [1, 2, 3]
    for _ in range(2):
        resumed.batch(table)
    assert file.read_bytes() == whole


def test_a_run_from_the_start_drops_what_an_earlier_one_left(tmp_path: Path) -> None:
    file, trainer = tmp_path / "metrics.csv", Trainer()
    trainer.batch(table_of(file, trainer))
    table_of(file, Trainer())
    assert read_metrics(file) == []


# -- checkpoints --------------------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(folder.iterdir())}


def test_a_checkpoint_becomes_the_last_once_the_next_loss_is_known(tmp_path: Path) -> None:
    trainer, last = Trainer(validation_points={4, 8}), LastCheckpoint(tmp_path / "last.ckpt", every=3)
    seen = []
    for _ in range(8):
        trainer.batch(last)
        seen.append(files(tmp_path))
    assert trainer.saved == [3, 4, 6, 8], "every 3 steps, and after validations"
    assert seen[2] == {"next.ckpt": "3"}
    assert seen[3] == {"last.ckpt": "4"}, "validation has shown what step 4 did"
    assert seen[5] == {"last.ckpt": "4", "next.ckpt": "6"}
    assert seen[6] == {"last.ckpt": "6"}
    assert seen[7] == {"last.ckpt": "8"}


def test_a_step_that_ruins_the_weights_never_becomes_the_last_checkpoint(tmp_path: Path) -> None:
    trainer, last = Trainer(), LastCheckpoint(tmp_path / "last.ckpt", every=1)
    for _ in range(3):
        trainer.batch(last)
    last.on_exception(trainer, None, RuntimeError("the loss is nan"))  # type: ignore[arg-type]
    assert files(tmp_path) == {"last.ckpt": "2"}


def test_without_validation_the_end_of_the_run_is_the_last_checkpoint(tmp_path: Path) -> None:
    trainer, last = Trainer(batches=2), LastCheckpoint(tmp_path / "last.ckpt", every=50)
    for _ in range(2):
        trainer.batch(last)
    last.on_fit_end(trainer, None)  # type: ignore[arg-type]
    assert files(tmp_path) == {"last.ckpt": "2"}


def test_no_checkpoint_between_the_batches_of_a_step(tmp_path: Path) -> None:
    trainer, last = Trainer(batches=5, accumulate=2), LastCheckpoint(tmp_path / "last.ckpt", every=1)
    taken = []
    for _ in range(5):
        trainer.batch(last)
        taken.append(len(trainer.saved))
    assert taken == [0, 1, 1, 2, 3]


def full_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes so many files and no more."""
    taken = iter(range(calls))
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if next(taken, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fsync)


def test_a_full_disk_leaves_the_checkpoint_before_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    full_after(1, monkeypatch)
    WholeFiles().save_checkpoint({"step": 1}, path)
    with pytest.raises(OSError, match="No space") as error:
        WholeFiles().save_checkpoint({"step": 2}, path)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert torch.load(path) == {"step": 1}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("point", [1, 2, 3])
def test_validation_is_due_after_the_points_and_at_no_other_batch(point: int) -> None:
    trainer = Trainer(validation_points={point})
    due = []
    for index in range(4):
        ValidationSchedule().on_train_batch_start(trainer, None, None, index)  # type: ignore[arg-type]
        due.append((index + 1) % trainer.val_check_batch == 0)
    assert [index + 1 for index, is_due in enumerate(due) if is_due] == [point]


# -- samples ------------------------------------------------------------------------------------------------------------


def lines(*steps: int) -> str:
    return "".join(json.dumps({"step": step, "summary": f"{step}\u2028"}, ensure_ascii=False) + "\n" for step in steps)


@pytest.mark.parametrize(
    ("written", "step", "kept"),
    [
        (lines(2, 2, 4, 4), 2, lines(2, 2)),
        (lines(2, 2, 4), 4, lines(2, 2, 4)),
        (lines(2) + '{"step": 4, "summ', 4, lines(2)),
        (lines(2), 0, ""),
    ],
)
def test_a_resumed_run_drops_the_samples_after_its_checkpoint_and_a_torn_one(
    tmp_path: Path, written: str, step: int, kept: str
) -> None:
    file = tmp_path / "validation_samples.jsonl"
    file.write_text(written, "utf-8")
    trainer = Trainer()
    trainer.global_step = step
    samples = SampleSummaries(file, [], [], None, Decoding(), [], base_is_reference=False)  # type: ignore[arg-type]
    samples.on_train_start(trainer, None)  # type: ignore[arg-type]
    assert file.read_text("utf-8") == kept


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")])
def test_no_file_has_no_lines(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "file")
    assert whole_lines(tmp_path / "file") == []


def test_kl_to_the_base_is_that_of_whole_rows_read_one_by_one(tiny_model_path: Path) -> None:
    base = load_base(tiny_model_path, Model(path=str(tiny_model_path)))
    policy = add_lora(base, Lora(r=4, alpha=8, target_modules="all-linear")).eval()
    prompts, completions = [[10, 11, 12], [30]], [[20, 21], [40, 41, 42, 43, 1]]
    assert kl_to_base(policy, prompts, completions, pad_id=1) == 0, "a fresh adapter changes nothing"
    for name, weight in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)

    def distributions(prompt: list[int], completion: list[int]) -> torch.Tensor:
        logits = policy(input_ids=torch.tensor([prompt + completion])).logits[0].double()
        return logits.softmax(-1)[len(prompt) - 1 : -1]

    total = 0.0
    with torch.no_grad():
        for row in zip(prompts, completions, strict=True):
            p = distributions(*row)
            with policy.disable_adapter():
                q = distributions(*row)
            total += (p * (p / q).log()).sum().item()
    assert total > 0.01
    assert kl_to_base(policy, prompts, completions, pad_id=1) == pytest.approx(total / 2, rel=1e-4)
