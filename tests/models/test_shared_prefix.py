"""The masks of the attention over shared prompts, as transformers asks for them, and plain rows under it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.masking_utils import create_causal_mask

import summpo.models.shared_prefix  # noqa: F401  (registers the attention)
from families import tiny
from summpo.families import SHARED_PREFIX

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
