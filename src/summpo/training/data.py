"""Lightning's data module over frozen columns: which batch comes when, in which process, and from where to go on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule

from summpo.models.forward.layouts import Layout
from summpo.records import Batch, FrozenColumns
from summpo.row_kinds import RowKind
from summpo.training.plan import Plan


@dataclass(frozen=True)
class TrainStream:
    """This process's batches of the run, from batch `start` to batch `total`; the whole run is one stream."""

    columns: FrozenColumns
    plan: Plan
    rank: int
    total: int
    start: int
    kind: RowKind
    layout: Layout

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[Batch]:
        for index in range(self.start, self.total):
            rows, real = self.plan.shard(index, self.rank)
            yield self.kind.batch(self.columns, rows, real * self._share(index), self.layout)

    def _share(self, index: int) -> float:
        """What a unit of loss counts, so that Lightning's mean over batches and processes is the step's exact mean."""
        units = self._units[self.plan.step_rows(index, self.total)].sum()
        return self.plan.accumulate * self.plan.world_size / float(units)

    @cached_property
    def _units(self) -> np.ndarray:
        return self.kind.units(self.columns.rows)


@dataclass(frozen=True)
class ValidationBatches:
    """This process's share of the validation rows, in order; every row counts 1.

    A process without a row takes the first one, which counts 0 there: Lightning has every process validate something.
    """

    columns: FrozenColumns
    batch_size: int
    rank: int
    world_size: int
    kind: RowKind
    layout: Layout

    def _rows(self) -> np.ndarray:
        return np.arange(self.rank, len(self.columns), self.world_size)

    def __len__(self) -> int:
        return max(1, -(-len(self._rows()) // self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        mine = self._rows()
        if not len(mine):
            yield self.kind.batch(self.columns, np.zeros(1, np.int64), np.zeros(1), self.layout)
        for first in range(0, len(mine), self.batch_size):
            rows = mine[first : first + self.batch_size]
            yield self.kind.batch(self.columns, rows, np.ones(len(rows)), self.layout)


class ColumnData(LightningDataModule):
    """Batches of frozen columns for training and validation. Sees numbers and no text."""

    def __init__(
        self,
        train: FrozenColumns,
        validation: FrozenColumns | None,
        plan: Plan,
        total_batches: int,
        validations: int,
        eval_batch_size: int,
        kind: RowKind,
        layout: Layout,
    ) -> None:
        super().__init__()
        self.train, self.validation = train, validation
        self.plan, self.total_batches, self.eval_batch_size = plan, total_batches, eval_batch_size
        self.kind, self.layout = kind, layout
        self.total_steps = -(-total_batches // plan.accumulate)
        self.validation_points = self._evenly(validations) if validation is not None else frozenset()
        self.batches_done = 0

    def _evenly(self, times: int) -> frozenset[int]:
        """Batches (counted from 1) after which to validate: evenly spaced optimizer steps, the last the run's end."""
        steps = (-(-self.total_steps * i // times) for i in range(1, times + 1))
        return frozenset(min(step * self.plan.accumulate, self.total_batches) for step in steps)

    def seen(self) -> dict[str, int]:
        """Rows and tokens (prompts and completions, no padding) that the whole run trains on."""
        tokens = self.train.rows
        lengths = np.sum([tokens.prompts.lengths + side.lengths for side in tokens.completions], axis=0)
        rows_seen = tokens_seen = 0
        for index in range(self.total_batches):
            rows = self.plan.global_batch(index)
            rows_seen, tokens_seen = rows_seen + len(rows), tokens_seen + int(lengths[rows].sum())
        return {"rows_seen": rows_seen, "tokens_seen": tokens_seen}

    def train_dataloader(self) -> TrainStream:
        """The stream from where the run stands."""
        return TrainStream(
            self.train,
            self.plan,
            self._rank,
            self.total_batches,
            self.batches_done,
            self.kind,
            self.layout,
        )

    def val_dataloader(self) -> ValidationBatches | list[Any]:
        """The validation rows; none where the run does not validate."""
        if self.validation is None:
            return []
        return ValidationBatches(
            self.validation, self.eval_batch_size, self._rank, self.plan.world_size, self.kind, self.layout
        )

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer is not None else 0

    @property
    def batches_taken(self) -> int:
        """How many batches the run has taken, in all the processes that it was resumed in."""
        assert self.trainer is not None
        return self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def state_dict(self) -> dict[str, int]:
        """How many batches the run has taken."""
        return {"batches_done": self.batches_taken}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Goes on after the batches that a checkpoint has seen."""
        self.batches_done = state_dict["batches_done"]
