"""A fit of one side on random weights of a size, in a process of its own: what its steps take, and its memory.

`sized_models.py` runs it. The rows are drawn, their lengths too; every side takes the same in the same order, by its
own trainer: summpo by Lightning's `Trainer.fit`, made of the parts that `summpo train` is made of, TRL by
`DPOTrainer.train`. What it says last is a line of JSON; null where the device's memory is not enough.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from transformers import TrainerCallback

from bases import Sized, word
from bound import Product, flops_of, products, seconds_of
from clock import Clock
from pairs import SEED, Shape, drawn_pairs, planned_batches, take, with_zero_reference
from process_memory import peak_while
from setting import BETA, LORA, Setting, draw_adapter
from sides import SUMMPO
from summpo.columns.base import Base
from summpo.columns.store import ColumnStore
from summpo.datasets.jsonl import Jsonl
from summpo.models import Model
from summpo.models.forward.layouts import Layout, pad
from summpo.objectives.dpo import DPO
from summpo.records import TokenRows
from summpo.row_kinds.pairs import pair_batch
from summpo.runs.run_folder import RunFolder
from summpo.training.optimizers import AdamW
from summpo.training.settings import TrainSettings, Validation
from summpo.training.trainer import fit, make_data, make_module, make_trainer, quiet
from summpo.training.trainer_arguments import TrainerArguments
from summpo_side import summpo_side
from tokenisation import assert_same_ids
from trl_side import AT_ITS_BEST, trl_trainer

LIGER = "TRL with Liger"
WIDTH = {"cpu": 512, "cuda": 8192}
"""Of the square matrices whose product says what the device can do: large enough to fill it."""
PRODUCTS = 5
"""How often it is timed; the median counts."""
LEARNING_RATE = 2e-4
"""Constant, so that all sides train alike and their losses can be compared."""


@dataclass(frozen=True)
class Job:
    """What one side is to do."""

    side: str
    """summpo, TRL best real, or TRL with Liger."""
    size: str
    device: str
    longest: Shape
    """Of a batch: no prompt and no completion is longer, or shorter than half of it."""
    checkpointing: bool
    """Whether activations are computed again."""
    warm_up: int
    """Steps before those that count."""
    steps: int
    """That count."""
    threads: int

    @property
    def setting(self) -> Setting:
        return Setting(Sized(self.size), self.device, torch.bfloat16, torch.bfloat16)

    def rows(self) -> TokenRows:
        """Those of the whole fit, the same for every side."""
        return drawn_pairs(self.longest, self.warm_up + self.steps, self.setting.base.vocabulary)

    def batches(self, rows: TokenRows) -> list[np.ndarray]:
        """The rows of each step, as summpo deals them out; the others are given them in this order."""
        return planned_batches(rows, self.longest.pairs, self.warm_up + self.steps, "shuffled")


@dataclass(frozen=True)
class Figures:
    """Of one side's steps after the warm-up."""

    seconds: float
    """Of a step, the mean."""
    tokens: float
    """Of both sequences of its pairs, the mean: what is learnt from, whatever the layout."""
    flops: float
    """That a step needs in the side's own layout, without what is computed again; the mean."""
    product_rate: float
    """FLOP a second of one product of square bfloat16 matrices, the median."""
    peak: int
    """Bytes at most during the whole fit, the weights' among them."""
    loss: float
    """The mean over all steps, the warm-up's too."""


@dataclass(frozen=True)
class Ready:
    """A side that only has to be told to train."""

    policy: Any
    layout: Layout
    train: Callable[[], tuple[float, list[int]]]
    """Returns the mean loss of its steps, and how many tokens both sequences of each step's pairs had."""


@dataclass
class Watch(Callback):
    """Marks the end of each of Lightning's steps, and keeps its rows and, on the device, its loss."""

    clock: Clock
    marks: list[Any] = field(default_factory=list)
    losses: list[torch.Tensor] = field(default_factory=list)
    row_ids: list[tuple[str, ...]] = field(default_factory=list)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.marks.append(self.clock.mark())
        self.losses.append(outputs["loss"].detach())
        self.row_ids.append(batch.row_ids)


@dataclass
class TransformersWatch(TrainerCallback):
    """Marks the end of each step of transformers' trainer."""

    watch: Watch

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.watch.marks.append(self.watch.clock.mark())


def summpo_ready(job: Job, rows: TokenRows, folder: Path, watch: Watch) -> Ready:
    """The parts of `summpo.training.run`, from the frozen columns on: its model and its rows lie on no disk."""
    side = summpo_side(job.setting, job.checkpointing)
    columns = side.with_reference(rows, batch_size=job.longest.pairs)
    settings = TrainSettings(
        model=Model(job.size, dtype="bfloat16"),
        dataset=Jsonl(path=job.size),  # as the model: named, and looked for by nobody
        objective=DPO(BETA),
        batch_size=job.longest.pairs,
        activation_checkpointing=job.checkpointing,
        lora=LORA,
        optimizer=AdamW(lr=LEARNING_RATE, schedule="constant", warmup_ratio=0.0),
        trainer=TrainerArguments(
            accelerator="gpu" if job.device == "cuda" else "cpu", precision="bf16-mixed", enable_progress_bar=False
        ),
        validation=Validation(times=0),
        seed=SEED,
    )
    base = Base(
        folder=folder,
        tokenizer=job.setting.base.tokenizer(),
        tokenizer_fingerprint="",
        fingerprint="",
        store=ColumnStore(folder),
        cache=folder,
        shares_prefixes=True,
    )
    run = RunFolder(folder)
    trainer = make_trainer(settings, run, (), [watch])
    data = make_data(settings, {"train": columns, "validation": columns}, base, trainer.world_size)
    module = make_module(settings, side.policy, data)

    def train() -> tuple[float, list[int]]:
        fit(trainer, module, data, run)
        tokens = dict(zip(rows.ids, both_sequences(rows).tolist(), strict=True))
        return float(torch.stack(watch.losses).mean()), [sum(tokens[each] for each in ids) for ids in watch.row_ids]

    return Ready(side.policy, base.layout, train)


def trl_ready(job: Job, rows: TokenRows, folder: Path, watch: Watch) -> Ready:
    """TRL's trainer on the text of the same rows, at its best: the reference computed before, all else its own."""
    ordered = take(rows, np.concatenate(job.batches(rows)))
    changed: dict[str, Any] = {
        **AT_ITS_BEST,
        "output_dir": str(folder),
        "bf16": True,
        "gradient_checkpointing": job.checkpointing,
        "per_device_train_batch_size": job.longest.pairs,
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_liger_kernel": job.side == LIGER,
    }
    trainer = trl_trainer(job.setting, changed, [as_text(ordered, row) for row in range(len(ordered))])
    assert_same_ids(trainer.train_dataset, ordered)
    draw_adapter(trainer.model)
    trainer.add_callback(TransformersWatch(watch))
    collate, tokens = trainer.data_collator, []

    def counted(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = collate(examples)
        tokens.append(int(batch["attention_mask"].sum()))
        return batch

    def train() -> tuple[float, list[int]]:
        trainer.data_collator = counted
        return trainer.train().training_loss, tokens

    return Ready(trainer.model, partial(pad, pad_id=0), train)


def as_text(rows: TokenRows, row: int) -> dict[str, str]:
    """A row as TRL reads it, which puts EOS behind completions itself."""
    prompt, chosen, rejected = (column[row].tolist() for column in (rows.prompts, *rows.completions))
    completions = {"chosen": chosen[:-1], "rejected": rejected[:-1]}
    return {"prompt": " ".join(map(word, prompt))} | {
        name: "".join(f" {word(token)}" for token in ids) for name, ids in completions.items()
    }


def both_sequences(rows: TokenRows) -> np.ndarray:
    """int64 [row]: tokens of a prompt with the one completion and with the other."""
    return 2 * rows.prompts.lengths + sum(side.lengths for side in rows.completions)


def measure(job: Job) -> Figures:
    """Trains, and checks that each step was on the pairs that it was to be on, and what came of them.

    Raises:
        AssertionError: it was not, or the loss is not finite.
    """
    clock, rows = Clock(job.device), job.rows()
    rate, watch, batches = product_rate(clock), Watch(clock), job.batches(rows)
    with TemporaryDirectory() as folder, quiet():
        ready = (summpo_ready if job.side == SUMMPO else trl_ready)(job, rows, Path(folder), watch)
        trained: list[tuple[float, list[int]]] = []
        _, peak = peak_while(lambda: trained.append(ready.train()), job.device)
    (loss, tokens), marks = trained[0], watch.marks
    planned = [int(both_sequences(rows)[which].sum()) for which in batches]
    assert tokens == planned, f"{job.side} had {tokens} tokens in its steps, and was to have {planned}"
    assert len(marks) == len(batches), f"{job.side} took {len(marks)} steps for {len(batches)} batches"
    assert math.isfinite(loss), f"{job.side} has a loss of {loss}"
    columns = with_zero_reference(rows)
    flops = [
        flops_of(products(ready.policy, pair_batch(columns, which, np.ones(len(which)), ready.layout)))
        for which in batches[job.warm_up :]
    ]
    seconds = clock.between(marks[job.warm_up - 1], marks[-1]) / job.steps
    return Figures(seconds, mean(planned[job.warm_up :]), mean(flops), rate, peak, loss)


def product_rate(clock: Clock) -> float:
    """FLOP a second that a product of large square bfloat16 matrices comes to, alone."""
    width = WIDTH[clock.device]
    square = Product(width, width, width)
    seconds_of(square, torch.bfloat16, clock)
    return square.flops / median(seconds_of(square, torch.bfloat16, clock) for _ in range(PRODUCTS))


def main() -> None:
    """One side's figures, as the last line of the output. The only argument is a job as JSON."""
    given = json.loads(sys.argv[1])
    job = Job(**given | {"longest": Shape(**given["longest"])})
    torch.set_num_threads(job.threads)
    try:
        print(json.dumps(asdict(measure(job))))
    except torch.OutOfMemoryError:
        print("null")


if __name__ == "__main__":
    main()
