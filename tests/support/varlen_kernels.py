"""Kernels under the contract of `varlen_attention.Kernel` that run anywhere: the right one, and wrong ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from summpo.models.forward.varlen_attention import Kernel

Sees = Callable[[int, int], Tensor]
"""Numbers of queries and keys -> bool [query, key]."""


def bottom_right(queries: int, keys: int) -> Tensor:
    """The last query sees all keys."""
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)


def top_left(queries: int, keys: int) -> Tensor:
    """The first query sees one key."""
    return torch.ones(queries, keys, dtype=torch.bool).tril()


def by_the_contract(sees: Sees = bottom_right, rounds: bool = False, interleaved: bool = False) -> Kernel:
    """A loop over the stretches: softmax in float64, and the output in the precision of the states.

    Args:
        rounds: in float32, and the probabilities rounded to the precision of the states before they meet the values, as
            flash attention has it.
        interleaved: heads share those of keys in turn, as no kernel should have it.
    """

    def kernel(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        starts: Tensor,
        key_starts: Tensor,
        longest: int,
        longest_keys: int,
        scaling: float | None,
    ) -> Tensor:
        assert longest == starts.diff().max() and longest_keys == key_starts.diff().max()
        times = query.shape[1] // key.shape[1]
        shared = [
            each.repeat(1, times, 1) if interleaved else each.repeat_interleave(times, 1) for each in (key, value)
        ]
        keys, values = (each.split(key_starts.diff().tolist()) for each in shared)
        found = []
        for q, k, v in zip(query.split(starts.diff().tolist()), keys, values, strict=True):
            q, k, v = (each.to(torch.float32 if rounds else torch.float64) for each in (q, k, v))
            scores = torch.einsum("qhd,khd->hqk", q, k) * (q.shape[-1] ** -0.5 if scaling is None else scaling)
            scores = scores.masked_fill(~sees(len(q), len(k)), -torch.inf)
            shares = scores.softmax(-1)
            if rounds:
                shares = shares.to(query.dtype).float()
            found.append(torch.einsum("hqk,khd->qhd", shares, v).to(query.dtype))
        return torch.cat(found)

    return kernel
