"""The masks of the attention over shared prompts, as transformers asks for them, and plain rows under it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.masking_utils import create_causal_mask

from summpo.models.forward import shared_prefix
from summpo.models.forward.families import FAMILIES, SHARED_PREFIX
from summpo.models.forward.stretches import row_of
from summpo.models.forward.varlen_proof import is_proven
from summpo.models.speed.activation_checkpointing import recompute_activations, start_recomputing
from summpo.records import PromptGroup
from support.families import tiny
from support.varlen_kernels import Sees, bottom_right, by_the_contract, top_left

TOKENS = torch.arange(2, 62)[None]


def mask(padding: Tensor | None, positions: list[int], past: int = 0) -> Any:
    """What transformers hands the layers of a model that reads tokens at these positions, after `past` in a cache."""
    model: Any = tiny("llama", SHARED_PREFIX)
    cache = DynamicCache(config=model.config) if past else None
    with torch.no_grad():
        if past:
            model(TOKENS[:, :past], past_key_values=cache)
    embeddings = model.get_input_embeddings()(TOKENS[:, : len(positions)])
    return create_causal_mask(model.config, embeddings, padding, cache, torch.tensor([positions]))


def test_of_a_shared_row_no_mask_is_made() -> None:
    """It would be as large as the row's square, and of several documents, which its restarted positions look like."""
    assert mask(None, [0, 1, 2, 3]) is None
    assert mask(None, [0, 1, 2, 2]) is None


def test_what_is_padded_has_a_mask_by_hand() -> None:
    """Of four tokens the first is padding: none of the others sees it, and none sees what is behind it."""
    made = mask(torch.tensor([[0, 1, 1, 1]]), [0, 0, 1, 2])
    assert made.shape == (1, 1, 4, 4)
    assert made[0, 0, 1:].int().tolist() == [[0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


def test_tokens_after_those_in_a_cache_have_a_mask_by_hand() -> None:
    """Two tokens after three: the first of them sees the three and itself."""
    assert mask(None, [3, 4], past=3)[0, 0].int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("family", ["mistral", "qwen2"])
@pytest.mark.parametrize("given", [True, False], ids=["with a mask", "without"])
def test_a_window_shorter_than_the_text_is_kept(family: str, given: bool) -> None:
    """Plain rows under this attention are as under transformers' own, also where its layers slide over 8 of 60 tokens."""
    settings = {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0}
    inputs = {"input_ids": TOKENS} | ({"attention_mask": torch.ones_like(TOKENS)} if given else {})
    with torch.no_grad():
        ours, plain = (tiny(family, attention, **settings)(**inputs).logits for attention in (SHARED_PREFIX, "eager"))
    assert torch.allclose(ours, plain, atol=1e-4)


class Calls:
    """Attention as on a GPU, with a kernel that runs here and is counted; what has been proven is forgotten."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sees: Sees = bottom_right) -> None:
        self.made, kernel = 0, by_the_contract(sees)

        def counted(*asked: Any) -> Tensor:
            self.made += 1
            return kernel(*asked)

        is_proven.cache_clear()
        monkeypatch.setattr(shared_prefix, "flash_may_take", lambda heads: True)
        monkeypatch.setattr(shared_prefix, "flash_attention", lambda: counted)


ROW = {
    "input_ids": TOKENS[:, :16],
    "position_ids": torch.tensor([[*range(7), *range(4, 9), *range(3), 2]]),
    "shared_prefix": row_of((PromptGroup(4, (3, 5)), PromptGroup(2, (1, 1)))),
}
"""A prompt of 4 tokens with completions of 3 and 5, and one of 2 with two of one token."""


def trained(model: Any, recomputes: bool = False, autocast: torch.dtype | None = None) -> tuple[Tensor, list[Tensor]]:
    """The logits of `ROW`, and the gradients of all weights."""
    recompute_activations(model, recomputes)
    start_recomputing(model)
    with torch.autocast("cpu", autocast, enabled=autocast is not None):
        logits = model(**ROW, use_cache=False).logits
    logits.float().square().sum().backward()
    return logits.detach(), [weight.grad for weight in model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("recomputes", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_read_at_once_is_the_row_read_by_groups(
    family: str, recomputes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proven within the first layer, with one call; then one a layer, two where the backward pass computes it anew."""
    logits, gradients = trained(tiny(family, SHARED_PREFIX))
    calls = Calls(monkeypatch)
    found, others = trained(tiny(family, SHARED_PREFIX), recomputes)
    assert calls.made == 1 + 2 * (2 if recomputes else 1)
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-4)
    for mine, plain in zip(others, gradients, strict=True):
        assert (mine - plain).norm() <= 1e-4 * plain.norm() + 1e-4  # a key's bias has 0, but for rounding


def test_a_wrong_kernel_is_never_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    logits, _ = trained(tiny("llama", SHARED_PREFIX))
    calls = Calls(monkeypatch, top_left)
    found, _ = trained(tiny("llama", SHARED_PREFIX))
    assert torch.equal(found, logits)
    assert calls.made == 1
    assert capsys.readouterr().out.startswith("attention: a call for each completion, for one call for all is wrong: ")


def test_under_autocast_the_kernel_has_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotated queries and keys are float32 there, values are not: the kernel takes one precision."""
    asked: list[set[torch.dtype]] = []
    kernel = by_the_contract(rounds=True)
    Calls(monkeypatch)
    monkeypatch.setattr(
        shared_prefix,
        "flash_attention",
        lambda: lambda *states: (asked.append({each.dtype for each in states[:3]}), kernel(*states))[1],
    )
    found, _ = trained(tiny("llama", SHARED_PREFIX), autocast=torch.bfloat16)
    assert asked == [{torch.bfloat16}] * 3
    monkeypatch.undo()
    logits, _ = trained(tiny("llama", SHARED_PREFIX), autocast=torch.bfloat16)
    assert (found - logits).abs().max() < 0.05 * logits.abs().max()


def test_under_dropout_and_for_plain_rows_all_is_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    model = tiny("llama", SHARED_PREFIX)
    model(TOKENS)
    trained(model.train())
    assert calls.made == 0
