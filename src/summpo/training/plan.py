"""Which rows make which batch. Pure functions of (seed, epoch, position).

A run is one stream of positions: every epoch is an order of the rows, drawn from (seed, epoch) alone, cut into global
batches. A process takes its slice of each global batch, so the rows of an optimizer step are the same whatever
the number of processes, and a resumed run meets the rows that it would have met.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np


@lru_cache(maxsize=2)
def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """int64 [row], read-only: the order of the rows in one epoch."""
    order = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(rows)
    order.flags.writeable = False
    return order


WINDOW = 50
"""Batches of every process whose rows are sorted by length among themselves: no row leaves its part of the epoch."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How the rows of a split become optimizer steps."""

    rows: int
    batch_size: int
    """Rows a process takes at a time, at most."""
    world_size: int
    accumulate: int
    """Batches of every process in one optimizer step."""
    seed: int
    order: str = "shuffled"
    """shuffled; by_prompt: rows of one prompt side by side, prompts shuffled; by_length: rows of like length share a
    batch, batches shuffled."""
    batch_tokens: int | None = None
    """Tokens a process takes at a time, at most, but for a row that has more by itself; None for no limit."""
    tokens: np.ndarray | None = None
    """int64 [row]: the tokens that the model reads of each row by itself; for order by_length and batch_tokens."""
    prompts: np.ndarray | None = None
    """int64 [row]: one number for each distinct prompt; for order by_prompt."""
    pads: bool = False
    """Whether each row of a batch takes as many tokens as its longest."""
    counted: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    """How many batches an epoch has, where that has been counted."""

    def total_batches(self, max_epochs: int | None, max_steps: int) -> int:
        """Batches of each process in the whole run: so many epochs or optimizer steps (-1: no limit), or the less."""
        by_steps = None if max_steps < 0 else max_steps * self.accumulate
        by_epochs = None if max_epochs is None else sum(count_batches(self, epoch) for epoch in range(max_epochs))
        return min(limit for limit in (by_epochs, by_steps) if limit is not None)

    def place(self, index: int) -> tuple[int, int]:
        """The epoch of the run's batch `index`, and which of that epoch's it is."""
        epoch = 0
        while index >= (batches := count_batches(self, epoch)):
            epoch, index = epoch + 1, index - batches
        return epoch, index

    def epochs_after(self, batches: int) -> float:
        """How many epochs these first batches of the run are."""
        epoch, position = self.place(batches)
        return epoch + position / count_batches(self, epoch)

    def global_batch(self, index: int) -> np.ndarray:
        """int64 [row]: the rows that all processes together take at position `index` of the run."""
        epoch, position = self.place(index)
        return np.concatenate(epoch_batches(self, epoch)[position])

    def step_rows(self, index: int, total: int) -> np.ndarray:
        """int64 [row]: all rows of the optimizer step that batch `index` of `total` belongs to."""
        first = index - index % self.accumulate
        return np.concatenate([self.global_batch(i) for i in range(first, min(first + self.accumulate, total))])

    def shard(self, index: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """This process's rows of a global batch, and which of them are real (bool [row]).

        Where the last rows of an epoch do not go round, a process takes the batch's first row once more as a filler.
        """
        epoch, position = self.place(index)
        shares = epoch_batches(self, epoch)[position]
        mine = shares[rank]
        if len(mine):
            return mine, np.ones(len(mine), bool)
        return shares[0][:1], np.zeros(1, bool)


@dataclass(frozen=True, eq=False)
class EpochBatches:
    """The batches of one epoch. Whatever the number of rows, a number or two for each is all that is held."""

    order: np.ndarray
    """int64 [row]: the rows, a batch behind the other, in each those of one process behind those of the one before."""
    bounds: np.ndarray
    """int64 [batch * process + 1]: where in the order each process's rows begin, and the last ones' end."""
    world_size: int
    turn: np.ndarray | None = None
    """int64 [batch]: which of these batches comes when; None for as they lie."""

    def __len__(self) -> int:
        return (len(self.bounds) - 1) // self.world_size

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, position: int) -> list[np.ndarray]:
        """The rows (int64 [row]) of every process in the batch that comes at this position."""
        first = (position if self.turn is None else int(self.turn[position])) * self.world_size
        bounds = self.bounds[first : first + self.world_size + 1].tolist()
        return [self.order[start:end] for start, end in pairwise(bounds)]


@lru_cache(maxsize=2)
def epoch_batches(plan: Plan, epoch: int) -> EpochBatches:
    """The batches of one epoch."""
    order = epoch_order(plan.rows, plan.seed, epoch)
    if plan.order == "by_prompt":
        assert plan.prompts is not None
        turn = epoch_order(int(plan.prompts.max()) + 1, plan.seed, epoch)
        return cut(plan, order[np.argsort(turn[plan.prompts[order]], kind="stable")])
    if plan.order == "by_length":
        assert plan.tokens is not None
        window = WINDOW * plan.batch_size * plan.world_size
        parts = [order[first : first + window] for first in range(0, len(order), window)]
        batches = cut(plan, np.concatenate([part[np.argsort(plan.tokens[part], kind="stable")] for part in parts]))
        return replace(batches, turn=epoch_order(len(batches), plan.seed, epoch))
    return cut(plan, order)


def count_batches(plan: Plan, epoch: int) -> int:
    """How many batches an epoch has."""
    if plan.batch_tokens is None:
        return -(-plan.rows // (plan.batch_size * plan.world_size))
    if epoch not in plan.counted:
        plan.counted[epoch] = len(epoch_batches(plan, epoch))
    return plan.counted[epoch]


def cut(plan: Plan, order: np.ndarray) -> EpochBatches:
    """The rows in this order, cut into batches."""
    if plan.batch_tokens is None:
        whole, rest = divmod(len(order), plan.batch_size * plan.world_size)
        each, more = divmod(rest, plan.world_size)
        last = [each + (process < more) for process in range(plan.world_size if rest else 0)]
        sizes = np.concatenate([np.full(whole * plan.world_size, plan.batch_size), np.array(last, np.int64)])
        return EpochBatches(order, np.concatenate([[0], np.cumsum(sizes)]), plan.world_size)
    assert plan.tokens is not None
    bounds, first, held, longest = [0], 0, 0, 0
    for place, tokens in enumerate(plan.tokens[order].tolist()):
        held, longest = held + tokens, max(longest, tokens)
        taken = (place - first + 1) * longest if plan.pads else held
        if place > first and (place - first == plan.batch_size or taken > plan.batch_tokens):
            bounds.append(place)
            first, held, longest = place, tokens, tokens
    bounds += [len(order)] * (1 + -len(bounds) % plan.world_size)
    return EpochBatches(order, np.array(bounds), plan.world_size)
