"""Frozen linear layers whose weights are cast to autocast's precision once, and not at every call.

Autocast keeps the casts of weights that train, for the length of a step; those of frozen ones it makes anew for every
call. The copy is what it would make, so results are the same to the bit; it takes half of a float32 weight's memory,
which each step took before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class FrozenLinear(nn.Linear):
    """A linear layer, as it is but under autocast while its weights are frozen."""

    _cast: tuple[Tensor, Tensor | None] | None = None
    _cast_of: tuple[object, ...] = ()

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        device = input.device.type
        if not torch.is_autocast_enabled(device) or torch.compiler.is_compiling():
            return super().forward(input)
        if not is_frozen(self):
            return super().forward(input)
        return linear(input, *self.cast_to(torch.get_autocast_dtype(device)))

    def cast_to(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in this precision, without a gradient."""
        weight, bias = self._parameters["weight"], self._parameters["bias"]  # `self.weight` takes longer than the rest
        assert weight is not None
        of = (dtype, weight.data_ptr(), weight._version, None if bias is None else bias._version)
        if self._cast is None or self._cast_of != of:  # they lie elsewhere by now, or were changed
            with torch.inference_mode(False), torch.no_grad():  # kept for calls that take gradients, whoever is first
                self._cast = weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype)
                self._cast_of = of
        return self._cast

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        """Where the weights move, or are cast, the copy goes: it would be left on the device that they come from."""
        self._cast = None
        return super()._apply(fn, recurse)


def cast_once(model: nn.Module, head: nn.Module | None) -> None:
    """Makes every plain linear layer of a model in float32 such a one, but for its LM head, which is never called."""
    for layer in model.modules():
        if type(layer) is nn.Linear and layer.weight.dtype == torch.float32 and layer is not head:
            layer.__class__ = FrozenLinear


def is_frozen(layer: nn.Linear) -> bool:
    """Whether neither its weight nor its bias trains."""
    weight, bias = layer._parameters["weight"], layer._parameters["bias"]
    return weight is not None and not weight.requires_grad and (bias is None or not bias.requires_grad)
