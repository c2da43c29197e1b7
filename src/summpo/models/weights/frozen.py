"""Frozen models that score completions: one base in memory at a time, adapters put on it by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.models import Model
from summpo.models.weights.adapters import load_adapter
from summpo.models.weights.fingerprints import fingerprint_adapter, fingerprint_file, fingerprint_weights
from summpo.models.weights.loading import load_base
from summpo.models.weights.sources import resolve

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel


class FrozenModels:
    """Gives a frozen model on a device, and keeps its base for the next one that stands on it."""

    def __init__(self, cache: Path, load: Callable[[Path, Model], PreTrainedModel] = load_base) -> None:
        """`load` gives the base in a folder."""
        self.cache, self.load = cache, load
        self._base: Model | None = None
        self._loaded: Any = None
        self._names: dict[str, str] = {}

    @contextmanager
    def on(self, model: Model, device: torch.device) -> Iterator[nn.Module]:
        """The model, in eval mode, for the length of the block.

        Raises:
            UserError: its weights cannot be loaded, or its adapter belongs to another base.
        """
        base = replace(model, adapter=None)
        if self._base != base:
            self.clear()
            self._loaded, self._base = self.load(resolve(base, self.cache), base).to(device), base  # type: ignore[arg-type]
        if model.adapter is not None:
            self._put_on(model.adapter)
            yield self._loaded
        elif self._names:
            with self._loaded.disable_adapter():
                yield self._loaded
        else:
            yield self._loaded

    def clear(self) -> None:
        """Lets the base and its adapters go."""
        self._base, self._loaded, self._names = None, None, {}

    def _put_on(self, adapter: str) -> None:
        """Makes an adapter the active one; loads it where it is not on the base yet."""
        assert self._base is not None
        if adapter not in self._names:
            weights = fingerprint_weights(resolve(self._base, self.cache), self.cache)
            name = f"adapter_{len(self._names)}"
            self._loaded = load_adapter(self._loaded, Path(adapter).expanduser(), weights, trainable=False, name=name)
            self._names[adapter] = name
        self._loaded.set_adapter(self._names[adapter])
        self._loaded.requires_grad_(False).eval()


def fingerprint_model(model: Model, cache: Path) -> dict[str, Any]:
    """What decides a frozen model's numbers: weights, adapter, and how they are held."""
    folder = resolve(model, cache)
    return {
        "weights": fingerprint_weights(folder, cache),
        "code": {file.name: fingerprint_file(file) for file in folder.glob("*.py") if model.trust_remote_code},
        "adapter": fingerprint_adapter(Path(model.adapter).expanduser()) if model.adapter else None,
        "dtype": model.dtype,
        "quantization": model.quantization,
        "attention": model.attention,
        "rope_scaling": None if model.rope_scaling is None else dict(model.rope_scaling),
    }
