"""How tokens are picked when a model writes, and what goes side by side: the settings, guarded.

`summpo.writing.generation` does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from summpo.errors import require, require_choice, require_number


@dataclass(frozen=True)
class Decoding:
    """How tokens are picked, and how many are in memory at a time."""

    max_new_tokens: int = 256
    """Tokens of a summary, at most."""
    temperature: float = 0.0
    """0 takes the likeliest token each time (greedy); above 0 samples."""
    top_p: float = 1.0
    """Sample from the likeliest tokens with this much probability together."""
    batch_size: int = 32
    """Documents generated side by side, at most."""
    batch_tokens: int = 32_768
    """Tokens side by side, at most, of prompts and summaries: bounds the memory. One document may have more."""
    prefill_tokens: int = 2048
    """Tokens of prompts read at a time: fewer take less memory, and change no summary."""
    backend: str = "transformers"
    """What writes: transformers, or vllm where that is installed."""
    thoughts: str = "remove"
    """What a model thinks aloud before its summary (<think>...</think> and the like): remove, or keep as text."""

    def __post_init__(self) -> None:
        require_number("generation.max_new_tokens", self.max_new_tokens, low=1)
        require_number("generation.temperature", self.temperature, low=0)
        require_number("generation.top_p", self.top_p, above=0, high=1)
        require_number("generation.batch_size", self.batch_size, low=1)
        require_number("generation.batch_tokens", self.batch_tokens, low=1)
        require_number("generation.prefill_tokens", self.prefill_tokens, low=1)
        require_choice("generation.backend", self.backend, ("transformers", "vllm"))
        require_choice("generation.thoughts", self.thoughts, ("remove", "keep"))


def require_backend(decoding: Decoding) -> None:
    """Checks that what is to write is installed.

    Raises:
        UserError: naming the package and the key.
    """
    require(
        decoding.backend != "vllm" or find_spec("vllm") is not None,
        "vllm is not installed: pip install vllm, or leave backend at transformers (config key generation.backend)",
    )


def batches_of(lengths: Sequence[int], decoding: Decoding, samples: int = 1) -> list[list[int]]:
    """Which prompts are written from side by side, by their positions: the longest first, like with like.

    A batch keeps to batch_size and batch_tokens, or is one prompt.

    Args:
        lengths: tokens of each prompt.
        samples: completions of each prompt, all in one batch.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    while order:
        row = lengths[order[0]] + decoding.max_new_tokens
        count = max(1, min(decoding.batch_size, decoding.batch_tokens // row) // samples)
        batches.append(order[:count])
        order = order[count:]
    return batches
