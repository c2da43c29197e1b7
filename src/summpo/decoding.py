"""How tokens are picked when a model writes: the settings, guarded; `summpo.generation` does it."""

from dataclasses import dataclass

from summpo.errors import require_number


@dataclass(frozen=True)
class Decoding:
    """How tokens are picked."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    """0 takes the likeliest token (greedy)."""
    top_p: float = 1.0
    batch_size: int = 32

    def __post_init__(self) -> None:
        require_number("generation.max_new_tokens", self.max_new_tokens, low=1)
        require_number("generation.temperature", self.temperature, low=0)
        require_number("generation.top_p", self.top_p, above=0, high=1)
        require_number("generation.batch_size", self.batch_size, low=1)
