"""Model families that are known to the letter: what is computed sooner for them is proven equal to the plain way.

The proof is tests/models/test_families.py, over a tiny random model of each. Another family takes the plain way.
"""

from typing import Any

SHARED_PREFIX = "shared_prefix"
"""The name of the attention that reads rows with shared prompts (`summpo.models.forward.shared_prefix`)."""

FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "gemma", "gpt_neox", "opt", "gpt2")
"""`model_type` of transformers. Attention reaches the keys before a token and nothing else, positions are told from
outside, and the LM head's outputs are the logits."""

HEAD = "score"
"""What transformers names the linear head of a decoder that classifies sequences."""


def is_known(model: Any) -> bool:
    """Whether a loaded model, or the one under its adapter, is of these families: code of its folder's own is not."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base.config.model_type in FAMILIES and type(base).__module__.startswith("transformers.")
