"""Attention over rows that hold several completions behind one prompt: one call for all of a row, for a GPU.

A row [prompt | c1 | c2 ...] is cut into stretches, [prompt | c1], [c2] ..., each of which attends to the keys of
[prompt | itself]. A kernel for sequences of any lengths (flash attention) takes them all at once, in the row's own
order; only keys and values are copied, each prompt's once more for each further completion. Knows no model, and not
whether the kernel is right: the tests of a machine without a GPU have not run it, and `varlen_proof` has it prove
itself where it runs, at its first use.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from torch import Tensor

from summpo.records import SharedPrefix


class Kernel(Protocol):
    """Causal attention of stretches of any lengths: query [position, head, size], key and value [key, kv head, size].

    Stretch i has the queries from starts[i] to starts[i + 1] and the keys from key_starts[i] to key_starts[i + 1]. Its
    last query sees its last key, each one before it one key less ("aligned to the bottom right corner", as flash
    attention has it since 2.1). Query heads share the kv heads in order: the first head / kv head of them the first.
    """

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        starts: Tensor,
        key_starts: Tensor,
        longest: int,
        longest_keys: int,
        scaling: float | None,
        /,
    ) -> Tensor:
        """[position, head, size]. `starts` and `key_starts` are int32 [stretch + 1]; scaling None is 1 / sqrt(size)."""
        ...


def attend_at_once(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    row: SharedPrefix,
    scaling: float | None,
    kernel: Kernel,
) -> Tensor:
    """One call of the kernel for the whole row.

    Args:
        query: [1, head, position, size]; key and value are [1, kv head, position, size].
        row: what it holds.

    Returns:
        [1, position, head, size].
    """
    where = row.stretches
    query, key, value = (states.squeeze(0).transpose(0, 1) for states in (query, key, value))
    if where.key_at is not None:
        key, value = key.index_select(0, where.key_at), value.index_select(0, where.key_at)
    longest = where.longest, where.longest_keys
    return kernel(query, key, value, where.starts, where.key_starts, *longest, scaling).unsqueeze(0)


@cache
def flash_attention() -> Kernel:
    """torch's own. Raises ImportError where this torch has none."""
    from torch.nn.attention.varlen import varlen_attn

    return as_kernel(varlen_attn)


def as_kernel(varlen_attn: Callable[..., Any]) -> Kernel:
    """torch's `varlen_attn`, under whichever of its signatures.

    Causal is a window without an end, or a flag of its own in the oldest. That heads share keys is told by the shapes;
    since torch 2.12 it has to be said, too.
    """
    known = inspect.signature(varlen_attn).parameters
    causal = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    shares = {"enable_gqa": True} if "enable_gqa" in known else {}

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
        """As `Kernel`."""
        said = causal | (shares if query.shape[1] != key.shape[1] else {})
        return varlen_attn(query, key, value, starts, key_starts, longest, longest_keys, scale=scaling, **said)

    return kernel
