"""Models: what the user names, and how it becomes a base, a policy and a tokenizer.

    weights   where a model comes from, loading, LoRA adapters, merging, saving, fingerprints, longer contexts (RoPE)
    forward   log-probs of completions: layouts of a batch, prompts that completions share, frozen models' scores
    speed     what makes a step cheaper and changes no number: casts kept, activation checkpointing, torch.compile
    judges    models that score texts and are not trained here: reward models, NLI, embeddings
    devices   what is asked for by name, and whether it is there

This file holds the config targets alone. It knows no data and no objective, and imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from summpo.errors import require, require_choice, require_number
from summpo.models.weights.rope import require_rope_scaling

ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class Model:
    """The model that a run starts from, and how its weights are held.

    Raises:
        UserError: for a value out of range, naming its key.
    """

    path: str
    """A Hub id (owner/name), a folder, a .gguf file, or the word embedded (SmolLM2-135M-Instruct)."""
    adapter: str | None = None
    """A PEFT folder that the policy starts from; null for none."""
    revision: str | None = None
    """Branch, tag or commit of a Hub id; null for its main branch."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of the base weights, and of the arithmetic where they are quantised. What trains is always float32."""
    quantization: Literal["nf4"] | None = None
    """nf4 holds the linear layers in 4 bits (bitsandbytes); null leaves them alone."""
    attention: Literal["sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention"] = "sdpa"
    """Attention kernel of transformers."""
    trust_remote_code: bool = False
    """Whether Python code inside the model's folder may run here."""
    rope_scaling: Mapping[str, Any] | None = field(default=None, hash=False)
    """A longer context than the model was trained with: {rope_type: yarn, factor: 4.0}, or linear, dynamic, llama3."""

    def __post_init__(self) -> None:
        require(_is_text(self.path), f"path must name a model, got {self.path!r} (config key model.path)")
        for key, value in (("adapter", self.adapter), ("revision", self.revision)):
            require(value is None or _is_text(value), f"{key} must be text, got {value!r} (config key model.{key})")
        require_choice("model.dtype", self.dtype, ("float32", "bfloat16", "float16"))
        require_choice("model.quantization", self.quantization, (None, "nf4"))
        kernels = ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention")
        require_choice("model.attention", self.attention, kernels)
        require(
            isinstance(self.trust_remote_code, bool),
            f"trust_remote_code must be true or false, got {self.trust_remote_code!r} "
            "(config key model.trust_remote_code)",
        )
        require_rope_scaling(self.rope_scaling)


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters on the linear layers: W + (alpha / r) B A (arXiv 2106.09685).

    Raises:
        UserError: for a value out of range, naming its key.
    """

    r: int
    """Rank of A and B."""
    alpha: float
    """Scale of the adapter: alpha / r times its product."""
    dropout: float = 0.0
    """Dropout before the adapter while training, also where model.adapter goes on."""
    target_modules: Any = ALL_LINEAR
    """Names of linear layers, a list; or all-linear, for each of them but the output head."""

    def __post_init__(self) -> None:
        require_number("lora.r", self.r, low=1)
        require(float(self.r).is_integer(), f"r must be a whole number, got {self.r} (config key lora.r)")
        require_number("lora.alpha", self.alpha, above=0)
        require_number("lora.dropout", self.dropout, low=0, high=0.99)
        names = self.target_modules
        is_list = isinstance(names, Sequence) and not isinstance(names, str)
        require(
            names == ALL_LINEAR or (is_list and len(names) > 0 and all(_is_text(name) for name in names)),
            f"target_modules must be {ALL_LINEAR} or a list of names of linear layers, got {names} "
            "(config key lora.target_modules)",
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
