"""A small random decoder of a family, and prompts for it, the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PAD = 1
SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "pad_token_id": PAD,
}


def random_model(family: str, **settings: Any) -> PreTrainedModel:
    """A small decoder of one of transformers' families, two query heads to a key's, the same each time."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = CONFIG_MAPPING[family](**{**SIZES, **settings})
        return AutoModelForCausalLM.from_config(config).eval()


def random_prompts(lengths: list[int]) -> list[list[int]]:
    """Of these lengths, the same each time."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return [torch.randint(2, 300, (n,), generator=generator).tolist() for n in lengths]
