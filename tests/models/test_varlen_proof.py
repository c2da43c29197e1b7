"""What is proven of kernels that are right, that are wrong in one thing, and that raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from summpo.models.forward.shared_prefix import by_flash_attention, by_group, flash_may_take
from summpo.models.forward.varlen_attention import Kernel, attend_at_once
from summpo.models.forward.varlen_proof import Attention, Heads, is_proven, why_not_equal
from summpo.records import SharedPrefix
from support.varlen_kernels import Sees, bottom_right, by_the_contract, top_left

BF16 = Heads(torch.device("cpu"), torch.bfloat16, 4, 2, 16)
FP16 = Heads(torch.device("cpu"), torch.float16, 3, 3, 64)


def under(kernel: Kernel) -> Attention:
    def attention(query: Tensor, key: Tensor, value: Tensor, row: SharedPrefix, scaling: float | None) -> Tensor:
        return attend_at_once(query, key, value, row, scaling, kernel)

    return attention


def but(change: Callable[[Tensor], object]) -> Sees:
    """The right mask, changed where it is large."""

    def sees(queries: int, keys: int) -> Tensor:
        mask = bottom_right(queries, keys)
        if keys > 128:
            change(mask)
        return mask

    return sees


def with_its_own_scaling(*asked: Any) -> Tensor:
    """Whatever it is told."""
    everything: list[Any] = [*asked[:-1], None]
    return by_the_contract(rounds=True)(*everything)


def with_wrong_backward(query: Tensor, key: Tensor, *others: Any) -> Tensor:
    """The right output; the gradient of the keys misses the second stretch's last key."""
    told = torch.ones(len(key), 1, 1, dtype=key.dtype)
    told[others[2][2] - 1] = 0
    return by_the_contract(rounds=True)(query, key * told + (key * (1 - told)).detach(), *others)


@pytest.mark.parametrize("heads", [BF16, FP16], ids=str)
def test_what_computes_as_flash_attention_does_is_proven(heads: Heads, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_proven(under(by_the_contract(rounds=True)), by_group, heads)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("heads", [BF16, FP16], ids=str)
@pytest.mark.parametrize(
    ("kernel", "wrong"),
    [
        (by_the_contract(top_left, rounds=True), "output"),
        (by_the_contract(lambda q, k: torch.ones(q, k, dtype=torch.bool).tril(k - q + 1), rounds=True), "output"),
        (by_the_contract(but(lambda mask: mask[1:, 0].fill_(False)), rounds=True), "output"),
        (by_the_contract(but(lambda mask: mask[:, 64:65].logical_and_(mask[:, 65:66])), rounds=True), "output"),
        (by_the_contract(but(lambda mask: mask.fill_(False)), rounds=True), "output"),
        (with_its_own_scaling, "output"),
        (with_wrong_backward, "gradient of the keys"),
    ],
    ids=["top left", "one more key", "no first key", "no key for itself", "no number", "its own scaling", "backward"],
)
def test_a_kernel_that_is_wrong_in_one_thing_is_not(kernel: Kernel, wrong: str, heads: Heads) -> None:
    why = why_not_equal(under(kernel), by_group, heads)
    assert why is not None
    assert why.startswith(f"is wrong: its {wrong} is ")


def test_heads_that_share_others_keys_are_seen() -> None:
    assert why_not_equal(under(by_the_contract(rounds=True, interleaved=True)), by_group, BF16) is not None


def test_what_raises_is_not_proven_and_it_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """torch's own on a CPU: there is none."""
    is_proven.cache_clear()
    assert not is_proven(by_flash_attention, by_group, BF16)
    assert not is_proven(by_flash_attention, by_group, BF16)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(
        "attention: a call for each completion, for one call for all raises NotImplementedError: Could"
    )
    assert line.endswith("(4 heads of 16 on 2 of keys, bfloat16 on cpu)")


def test_what_the_caller_computes_under_does_not_reach_the_proof() -> None:
    """No gradients, autocast in another precision, hooks on what is saved (as activation checkpointing has them)."""
    met: list[tuple[torch.dtype, bool]] = []

    def watched(query: Tensor, key: Tensor, value: Tensor, *others: Any) -> Tensor:
        met.append((torch.einsum("qhd,qhd->qh", query, query).dtype, torch.is_inference_mode_enabled()))
        return by_the_contract(rounds=True)(query, key, value, *others)

    def refuse(saved: Tensor) -> Tensor:
        raise AssertionError("saved where the caller's are")

    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.float16), saved_tensors_hooks(refuse, refuse):
        assert is_proven(under(watched), by_group, BF16)
    assert met == [(torch.bfloat16, False)]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("device", "dtype", "size", "may"),
    [
        ("cuda", torch.bfloat16, 64, True),
        ("cuda:1", torch.float16, 256, True),
        ("cuda", torch.float32, 64, False),
        ("cuda", torch.bfloat16, 20, False),
        ("cuda", torch.bfloat16, 264, False),
        ("cpu", torch.bfloat16, 64, False),
    ],
)
def test_what_flash_attention_is_written_for(device: str, dtype: torch.dtype, size: int, may: bool) -> None:
    assert flash_may_take(Heads(torch.device(device), dtype, 4, 2, size)) == may


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("queries", "keys", "size"), [(9, 3, 64), (12, 2, 128), (32, 32, 128), (8, 1, 256)])
def test_flash_attention_proves_itself_on_a_gpu(dtype: torch.dtype, queries: int, keys: int, size: int) -> None:
    """With the heads of SmolLM2, Qwen2 1.5B, Llama 7B and Gemma 2B, on a GPU that it is written for."""
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("flash attention asks for a newer GPU")
    assert why_not_equal(by_flash_attention, by_group, Heads(torch.device("cuda"), dtype, queries, keys, size)) is None


def test_memory_that_is_full_says_nothing_of_a_kernel() -> None:
    """The next call asks anew."""
    asked = []

    def attention(*told: Any) -> Tensor:
        asked.append(told)
        if len(asked) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return under(by_the_contract(rounds=True))(*told)

    with pytest.raises(torch.OutOfMemoryError):
        is_proven(attention, by_group, BF16)
    assert is_proven(attention, by_group, BF16)
