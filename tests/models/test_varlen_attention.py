"""The one call for all of a row against the calls for each group, with the kernel's contract written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from summpo.models.forward.shared_prefix import by_flash_attention, by_group
from summpo.models.forward.stretches import lengths_of, row_of, stretches_of
from summpo.models.forward.varlen_attention import as_kernel, attend_at_once, flash_attention
from summpo.records import PromptGroup, SharedPrefix, moved
from support.varlen_kernels import by_the_contract

SEVERAL = (PromptGroup(3, (2, 4)), PromptGroup(1, (1,)), PromptGroup(5, (1, 3, 2)))
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def states_of(groups: tuple[PromptGroup, ...], heads: int, kv_heads: int, dtype: Any = torch.float64) -> list[Tensor]:
    """Query, key and value, and the gradient of the output."""
    positions = sum(map(sum, map(lengths_of, groups)))
    draw = torch.Generator().manual_seed(0)
    shapes = [(1, heads, positions, 8), *[(1, kv_heads, positions, 8)] * 2, (1, positions, heads, 8)]
    return [torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype) for shape in shapes]


def answers(attention: Callable[..., Tensor], groups: tuple[PromptGroup, ...], states: list[Tensor]) -> list[Tensor]:
    """The output, and the gradients of query, key and value."""
    *leaves, slope = (each.detach().clone().requires_grad_() for each in states)
    found = attention(*leaves, moved(row_of(groups), slope.device), 0.3)
    return [found, *torch.autograd.grad(found, leaves, slope)]


def at_once(query: Tensor, key: Tensor, value: Tensor, row: SharedPrefix, scaling: float) -> Tensor:
    return attend_at_once(query, key, value, row, scaling, by_the_contract())


def assert_same(groups: tuple[PromptGroup, ...], heads: int, kv_heads: int) -> None:
    states = states_of(groups, heads, kv_heads)
    for ours, theirs in zip(answers(at_once, groups, states), answers(by_group, groups, states), strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_where_stretches_lie_by_hand() -> None:
    """[3 | 2 | 4] and [1 | 1]: stretches of 5, 4 and 2, keys of 5, 3 + 4 and 2; the prompt's keys twice."""
    found = stretches_of((PromptGroup(3, (2, 4)), PromptGroup(1, (1,))))
    assert found.key_at is not None
    assert found.key_at.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 5, 6, 7, 8, 9, 10]
    assert found.starts.tolist() == [0, 5, 9, 11]
    assert found.key_starts.tolist() == [0, 5, 12, 14]
    assert (found.longest, found.longest_keys) == (5, 7)
    assert found.starts.dtype == found.key_starts.dtype == torch.int32


def test_of_single_completions_no_key_is_copied() -> None:
    assert stretches_of((PromptGroup(3, (2,)), PromptGroup(1, (4,)))).key_at is None


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize(
    "groups",
    [(PromptGroup(4, (3,)),), (PromptGroup(4, (3, 1, 5)),), (PromptGroup(2, (1,)), PromptGroup(1, (3,))), SEVERAL],
    ids=["one completion", "three", "one each", "several groups"],
)
def test_one_call_is_the_calls_for_each_group(groups: tuple[PromptGroup, ...], kv_heads: int) -> None:
    """Output and gradients, float64, also where query heads share those of keys."""
    assert_same(groups, 4, kv_heads)


@given(
    st.lists(
        st.builds(PromptGroup, st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([(4, 4), (4, 2), (3, 1)]),
)
def test_one_call_is_the_calls_whatever_the_lengths(groups: list[PromptGroup], heads: tuple[int, int]) -> None:
    assert_same(tuple(groups), *heads)


class Asked(Exception):
    """With what torch would have been."""


def oldest(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None, scale=None):
    raise Asked(is_causal, scale)


def older(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1)):
    raise Asked(window_size, scale)


def newer(query, key, value, cu_q, cu_k, max_q, max_k, *, scale=None, window_size=(-1, -1), enable_gqa=False):
    raise Asked(window_size, scale, enable_gqa)


@pytest.mark.parametrize(
    ("signature", "kv_heads", "asked"),
    [
        (oldest, 2, (True, 0.3)),
        (older, 2, ((-1, 0), 0.3)),
        (newer, 2, ((-1, 0), 0.3, True)),
        (newer, 4, ((-1, 0), 0.3, False)),
    ],
)
def test_torch_is_asked_as_its_signature_has_it(signature: Callable[..., Tensor], kv_heads: int, asked: Any) -> None:
    query, key, value, _ = states_of(SEVERAL, 4, kv_heads)
    with pytest.raises(Asked) as found:
        attend_at_once(query, key, value, row_of(SEVERAL), 0.3, as_kernel(signature))
    assert found.value.args == asked


def test_the_torch_that_is_installed_can_be_asked() -> None:
    """Its own function takes every argument, up to the kernel itself, which has no other name than this on a CPU."""
    query, key, value, _ = states_of(SEVERAL, 4, 2, torch.bfloat16)
    with pytest.raises(NotImplementedError, match="_flash_attention_forward"):
        attend_at_once(query, key, value, row_of(SEVERAL), 0.3, flash_attention())


@needs_gpu
@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_flash_attention_on_a_gpu(dtype: torch.dtype, kv_heads: int) -> None:
    """The kernel itself, against float64, on short stretches; for long ones `varlen_proof` stands."""
    states = states_of(SEVERAL, 4, kv_heads, dtype)
    found = answers(by_flash_attention, SEVERAL, [each.cuda() for each in states])
    right = answers(by_group, SEVERAL, [each.double() for each in states])
    for ours, theirs in zip(found, right, strict=True):
        torch.testing.assert_close(ours.cpu().double(), theirs, rtol=0.05, atol=0.05)
