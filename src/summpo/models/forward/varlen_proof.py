"""Whether an attention kernel computes on this device what it should, asked before its first use. Knows no kernel.

Both ways read the same random row, forward and backward, and are held against the plain way in float64. Vector by
vector the kernel may be off by a few times what the plain way is off by in the same precision, and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from summpo.models.forward.stretches import row_of
from summpo.records import PromptGroup, SharedPrefix, moved

log = logging.getLogger(__name__)

Attention = Callable[[Tensor, Tensor, Tensor, SharedPrefix, float | None], Tensor]
"""Query [1, head, position, size], key and value [1, kv head, ...], row, scaling -> [1, position, head, size]."""

GROUPS = (
    PromptGroup(1, (1,)),
    PromptGroup(3, (2, 1, 5)),
    PromptGroup(127, (2, 129)),
    PromptGroup(65, (64, 33, 128)),
    PromptGroup(260, (31,)),
)
"""The row that is read: single tokens, and stretches that end before, at and after the blocks of 64 and 128 in which
kernels compute."""
TIMES = 4
"""How many times as far off as the plain way the kernel may be.

Measured on a CPU: what rounds as flash attention does is off by less than half of that; what forgets a key in the
middle, or sees one more at the end, by more than ten times that.
"""


@dataclass(frozen=True)
class Heads:
    """All of a model's attention that a kernel may depend on."""

    device: torch.device
    dtype: torch.dtype
    queries: int
    keys: int
    """How many heads of keys and values; a divisor of `queries`."""
    size: int

    @classmethod
    def of(cls, query: Tensor, key: Tensor) -> Heads:
        """The heads of states [1, head, position, size]."""
        return cls(query.device, query.dtype, query.shape[1], key.shape[1], query.shape[3])

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{self.queries} heads of {self.size} on {self.keys} of keys, {dtype} on {self.device}"


@cache
def is_proven(attention: Attention, plain: Attention, heads: Heads) -> bool:
    """Whether `attention` is as good as `plain` for such heads; found out once in a process, and said where it is not.

    In a thread of its own: nothing that the caller computes under (no gradients, autocast, the hooks by which
    activation checkpointing recomputes) reaches there. No random state of the caller's is drawn from.

    Raises:
        torch.OutOfMemoryError: nothing was found out; the next call asks anew.
    """
    with ThreadPoolExecutor(1) as fresh:
        why = fresh.submit(why_not_equal, attention, plain, heads).result()
    if why is not None:
        log.info(f"attention: a call for each completion, for one call for all {why} ({heads})")
    return why is None


def why_not_equal(attention: Attention, plain: Attention, heads: Heads) -> str | None:
    """What keeps `attention` from being as good as `plain`; None where nothing does."""
    draw = torch.Generator().manual_seed(0)
    positions = sum(group.prompt + sum(group.completions) for group in GROUPS)
    # queries, keys, values and the gradient of the output, in memory as models have them: heads side by side
    row = [
        torch.randn(1, positions, count, heads.size, generator=draw).to(heads.dtype)
        for count in (heads.queries, heads.keys, heads.keys, heads.queries)
    ]
    scaling = 1.25 / heads.size**0.5  # not the one that a kernel takes by itself
    truth = _answers(plain, [each.double() for each in row], scaling)
    with torch.cuda.device(heads.device) if heads.device.type == "cuda" else nullcontext():
        there = [each.to(heads.device) for each in row]
        try:
            usual, found = (_answers(each, there, scaling) for each in (plain, attention))
        except torch.OutOfMemoryError:  # it says nothing of the kernel
            raise
        except Exception as error:  # whatever it is, there is another way
            return f"raises {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    for name, ours, theirs, right in zip(
        ("output", "gradient of the queries", "gradient of the keys", "gradient of the values"),
        found,
        usual,
        truth,
        strict=True,
    ):
        off, typical = _distance(ours, right), right.square().sum(-1).mean().sqrt()
        limit = TIMES * (_distance(theirs, right) + typical * torch.finfo(heads.dtype).eps / 2)  # and a rounding
        if not (off <= limit).all():  # nor where it is no number
            times = (off / limit).nan_to_num(torch.inf).max().item()
            return f"is wrong: its {name} is {times:.2g} times as far off as it may be"
    return None


def _answers(attention: Attention, row: list[Tensor], scaling: float) -> list[Tensor]:
    """The output and the gradients of queries, keys and values: float64 [1, position, head, size], on the CPU."""
    *states, slope = row
    leaves = [each.detach().requires_grad_() for each in states]
    query, key, value = (each.transpose(1, 2) for each in leaves)
    found = attention(query, key, value, moved(row_of(GROUPS), query.device), scaling)
    gradients = torch.autograd.grad(found, leaves, slope)
    return [each.detach().double().cpu() for each in (found, *gradients)]


def _distance(found: Tensor, right: Tensor) -> Tensor:
    """[1, position, head]: how far apart two vectors of a head are, each for itself: one wrong key is seen."""
    return (found - right).square().sum(-1).sqrt()
