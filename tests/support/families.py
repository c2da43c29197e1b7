"""A tiny random model of each family that shares prefixes, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VOCABULARY = 97
GROUPED = {"num_attention_heads": 4, "num_key_value_heads": 2}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "max_position_embeddings": 128}
SETTINGS: dict[str, dict[str, Any]] = {
    "llama": SIZES | GROUPED | {"intermediate_size": 48, "attention_dropout": 0.1},
    "qwen2": SIZES | GROUPED | {"intermediate_size": 48, "use_sliding_window": False},
    "qwen3": SIZES | GROUPED | {"intermediate_size": 48, "head_dim": 16},
    "mistral": SIZES | GROUPED | {"intermediate_size": 48, "sliding_window": 100},
    "gemma": SIZES | GROUPED | {"intermediate_size": 48, "head_dim": 8},
    "gpt_neox": SIZES | {"num_attention_heads": 4, "intermediate_size": 48, "hidden_dropout": 0.1},
    "opt": SIZES | {"num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 16, "dropout": 0.1},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "scale_attn_by_inverse_layer_idx": True},
}


def tiny(family: str, attention: str, **settings: Any) -> PreTrainedModel:
    """The same weights each time, wide enough that the next token is not near uniform; in eval mode."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        family, vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=1, pad_token_id=1, **(SETTINGS[family] | settings)
    )
    for name in ("initializer_range", "init_std"):
        if hasattr(config, name):
            setattr(config, name, 0.2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
