"""Frozen linear layers whose weights are cast to autocast's precision once, and not at every call.

Autocast keeps the casts of weights that train, for the length of a step; those of frozen ones it makes anew for every
call. The copy is what it would make, so results are the same to the bit; it takes half of a float32 weight's memory,
which each step took before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class FrozenLinear(nn.Linear):
    """A linear layer, as it is but under autocast while its weights are frozen."""

    _cast: tuple[tuple[object, ...], Tensor, Tensor | None] | None = None

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        device = input.device.type
        is_frozen = not any(weight.requires_grad for weight in self.parameters())
        if not is_frozen or not torch.is_autocast_enabled(device) or torch.compiler.is_compiling():
            return super().forward(input)
        return linear(input, *self._in(torch.get_autocast_dtype(device)))

    def _in(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in this precision; cast anew where they lie elsewhere by now, or were changed."""
        weight, bias = self.weight.detach(), None if self.bias is None else self.bias.detach()
        of = (dtype, weight.data_ptr(), weight._version, None if bias is None else bias._version)
        if self._cast is None or self._cast[0] != of:
            with torch.inference_mode(False), torch.no_grad():  # kept for calls that take gradients, whoever is first
                self._cast = of, weight.to(dtype), None if bias is None else bias.to(dtype)
        return self._cast[1:]


def cast_once(model: nn.Module, head: nn.Module | None) -> None:
    """Makes every plain linear layer of a model in float32 such a one, but for its LM head, which is never called."""
    for layer in model.modules():
        if type(layer) is nn.Linear and layer.weight.dtype == torch.float32 and layer is not head:
            layer.__class__ = FrozenLinear
