"""Where the weights under the adapters come from: a folder, or sizes alone, with random weights made on the device.

Speed and memory do not depend on what weights say. Equal sizes give equal weights on one device, each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import summpo.models.forward.shared_prefix  # noqa: F401  (registers it)
from summpo.models import Model
from summpo.models.forward.families import SHARED_PREFIX
from summpo.models.weights.loading import load_base, load_tokenizer

QWEN2_1_5B = {
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}
"""As Qwen/Qwen2-1.5B's config.json has them."""
LLAMA_7B = {
    "model_type": "llama",
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": False,
}
"""As meta-llama/Llama-2-7b's config.json has them, but for the positions: it was trained with 4,096."""
TINY = {
    "model_type": "llama",
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}
"""For a look whether all runs; its figures say nothing."""
SIZES: Mapping[str, Mapping[str, Any]] = {"1.5b": QWEN2_1_5B, "7b": LLAMA_7B, "tiny": TINY}


class Base(Protocol):
    """Weights and a tokenizer, the same for every side."""

    def plain(self, dtype: torch.dtype, device: str) -> PreTrainedModel:
        """As transformers alone has it."""
        ...

    def shared_prefix(self, dtype: torch.dtype, device: str) -> PreTrainedModel:
        """As summpo has it."""
        ...

    def tokenizer(self) -> PreTrainedTokenizerBase: ...

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder of safetensors."""

    path: Path

    def plain(self, dtype: torch.dtype, device: str) -> PreTrainedModel:
        model: Any = AutoModelForCausalLM.from_pretrained(self.path, dtype=dtype, attn_implementation="sdpa")
        return model.to(device)

    def shared_prefix(self, dtype: torch.dtype, device: str) -> PreTrainedModel:
        named: Any = str(dtype).removeprefix("torch.")
        return load_base(self.path, Model(path=str(self.path), dtype=named)).to(device)  # type: ignore[arg-type]

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.path)

    @property
    def vocabulary(self) -> int:
        return json.loads((self.path / "config.json").read_text("utf-8"))["vocab_size"]


@dataclass(frozen=True)
class Sized:
    """Random weights of one of `SIZES`."""

    size: str

    def plain(self, dtype: torch.dtype, device: str) -> PreTrainedModel:
        settings = dict(SIZES[self.size])
        config = CONFIG_MAPPING[settings.pop("model_type")](**settings)
        torch.manual_seed(0)
        with torch.device(device):
            return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa").eval()

    def shared_prefix(self, dtype: torch.dtype, device: str) -> PreTrainedModel:
        model = self.plain(dtype, device)
        model.set_attn_implementation(SHARED_PREFIX)
        return model

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """A word for each token: `word` says which. The first one, 0, ends a text, and stands for unknown words too."""
        from tokenizers import Tokenizer, models, pre_tokenizers

        words = ["<eos>", *map(word, range(1, self.vocabulary))]
        backend = Tokenizer(models.WordLevel({each: i for i, each in enumerate(words)}, unk_token=words[0]))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=words[0], pad_token=words[0])

    @property
    def vocabulary(self) -> int:
        return SIZES[self.size]["vocab_size"]


def word(token: int) -> str:
    """What stands for a token of random weights in a text, but for the one that ends it."""
    return f"t{token}"
