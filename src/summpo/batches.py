"""Which rows make which batch. Pure functions of (seed, epoch, position).

A run is one stream of positions: every epoch is a permutation of the rows, drawn from (seed, epoch) alone, cut into
global batches. A process takes its slice of each global batch, so the rows of an optimizer step are the same whatever
the number of processes, and a resumed run meets the rows that it would have met.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from summpo.layouts import Layout
from summpo.records import Batch, FrozenColumns, PairBatch


@lru_cache(maxsize=4)
def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """int64 [row], read-only: the order of the rows in one epoch."""
    order = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(rows)
    order.flags.writeable = False
    return order


@dataclass(frozen=True)
class Plan:
    """How the rows of a split become optimizer steps."""

    rows: int
    batch_size: int
    """Rows a process takes at a time."""
    world_size: int
    accumulate: int
    """Batches of every process in one optimizer step."""
    seed: int

    @property
    def batches_per_epoch(self) -> int:
        return -(-self.rows // (self.batch_size * self.world_size))

    def total_batches(self, max_epochs: int | None, max_steps: int) -> int:
        """Batches of each process in the whole run: so many epochs or optimizer steps (-1: no limit), or the less."""
        by_epochs = None if max_epochs is None else max_epochs * self.batches_per_epoch
        by_steps = None if max_steps < 0 else max_steps * self.accumulate
        return min(limit for limit in (by_epochs, by_steps) if limit is not None)

    def global_batch(self, index: int) -> np.ndarray:
        """int64 [row]: the rows that all processes together take at position `index` of the run."""
        epoch, position = divmod(index, self.batches_per_epoch)
        size = self.batch_size * self.world_size
        return epoch_order(self.rows, self.seed, epoch)[position * size : (position + 1) * size]

    def step_rows(self, index: int, total: int) -> np.ndarray:
        """int64 [row]: all rows of the optimizer step that batch `index` of `total` belongs to."""
        first = index - index % self.accumulate
        return np.concatenate([self.global_batch(i) for i in range(first, min(first + self.accumulate, total))])

    def shard(self, index: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """This process's rows of a global batch, and which of them are real (bool [row]).

        Where the last rows of an epoch do not go round, a process takes the batch's first row once more as a filler.
        """
        rows = self.global_batch(index)
        mine = np.array_split(rows, self.world_size)[rank]
        if len(mine):
            return mine, np.ones(len(mine), bool)
        return rows[:1], np.zeros(1, bool)


def completion_batch(columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> Batch:
    """The batch of these rows' only completions (SFT, scoring)."""
    tokens = columns.rows
    sequences = [(tokens.prompts[row], tokens.completions[0][row]) for row in rows]
    ids = tuple(tokens.ids[row] for row in rows)
    return Batch(row_ids=ids, share=torch.from_numpy(share.astype(np.float32)), **layout(sequences))


def pair_batch(columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> PairBatch:
    """The batch of these rows' pairs, with their frozen columns."""
    tokens = columns.rows
    sequences = [(tokens.prompts[row], side[row]) for side in tokens.completions for row in rows]
    batch = layout(sequences)
    if columns.reference is None:
        reference = torch.zeros(len(batch["token_at"]))
    else:
        flat = np.concatenate([side[row] for side in columns.reference for row in rows])
        reference = torch.from_numpy(flat.astype(np.float32))
    return PairBatch(
        row_ids=tuple(tokens.ids[row] for row in rows),
        share=torch.from_numpy(share.astype(np.float32)),
        reference=reference,
        margins=torch.from_numpy(columns.margins[rows].astype(np.float32)),
        **batch,
    )
