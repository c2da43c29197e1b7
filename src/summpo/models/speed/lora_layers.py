"""LoRA layers on a frozen base under autocast, their gradient written out: PEFT's numbers to the bit, fewer launches.

y = W x + s B A x. By itself autocast casts x for W and for A, each adapter weight at its own launch, and every gradient
back; of all that the backward pass keeps a copy. Here x is cast once, and the weights of all layers at once when they
have changed, which is once a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from summpo.models.speed.cached_autocast import FrozenLinear, is_frozen


class HalfWeights:
    """The weights of a model's adapter, in autocast's precision: cast together, when one of them has changed."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self.weights = weights
        self.copies: dict[int, tuple[Tensor, tuple[object, ...]]] = {}

    def of(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """The copy of one of them."""
        found = self.copies.get(id(weight))
        if found is None or found[1] != state_of(weight, dtype):
            self._cast(dtype)
            found = self.copies[id(weight)]
        return found[0]

    def _cast(self, dtype: torch.dtype) -> None:
        with torch.inference_mode(False), torch.no_grad():  # kept for calls that take gradients, whoever is first
            copies = [torch.empty_like(weight, dtype=dtype) for weight in self.weights]
            torch._foreach_copy_(copies, list(self.weights))
        now = [state_of(weight, dtype) for weight in self.weights]
        made = zip(self.weights, copies, now, strict=True)
        self.copies = {id(weight): (copy, state) for weight, copy, state in made}


def state_of(weight: Tensor, dtype: torch.dtype) -> tuple[object, ...]:
    """Changes when the weight does, or lies elsewhere."""
    return dtype, weight.data_ptr(), weight._version


class HalfLora(Linear):
    """PEFT's layer, as it is but under autocast on a frozen base."""

    halves: HalfWeights

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """[..., in] -> [..., out]."""
        device = x.device.type
        name = self.active_adapters[0] if len(self.active_adapters) == 1 else ""
        if (
            not torch.is_autocast_enabled(device)
            or torch.compiler.is_compiling()
            or name not in self.lora_A
            or self.disable_adapters
            or self.merged
            or args
            or kwargs
        ):
            return super().forward(x, *args, **kwargs)
        dtype = torch.get_autocast_dtype(device)
        base: Any = self.base_layer
        if not is_frozen(base):
            return super().forward(x)
        weight, bias = base.cast_to(dtype) if isinstance(base, FrozenLinear) else (base.weight, base.bias)
        if weight.dtype != dtype:
            return super().forward(x)
        a: Any = self.lora_A[name]
        b: Any = self.lora_B[name]
        lora_a, lora_b = a.weight, b.weight
        halves = self.halves.of(lora_a, dtype), self.halves.of(lora_b, dtype)
        return _HalfLora.apply(x, x, weight, bias, lora_a, lora_b, *halves, self.scaling[name])


class _HalfLora(torch.autograd.Function):
    """W x + s B A x. Its gradients come one by one, in the order that autograd has: sums are rounded as there."""

    @staticmethod
    def forward(
        ctx: Any,
        adapted: Tensor,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        lora_a: Tensor,
        lora_b: Tensor,
        half_a: Tensor,
        half_b: Tensor,
        scaling: float,
    ) -> Tensor:
        """`adapted` is x once more. The float32 weights take the gradients, their copies compute."""
        ctx.dtype, ctx.scaling = x.dtype, scaling
        read = x.to(weight.dtype)
        inner = linear(read, half_a)
        ctx.save_for_backward(read, inner, weight, half_a, half_b)
        outer = linear(inner, half_b)
        if math.frexp(scaling)[0] == 0.5:  # a power of two: the product is exact, and need not be made by itself
            return torch.add(linear(read, weight, bias), outer, alpha=scaling)
        return linear(read, weight, bias) + outer * scaling

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Of what A reads, which autograd adds up first, of what W reads, of A and of B."""
        read, inner, weight, half_a, half_b = ctx.saved_tensors
        shape, flat = read.shape, slope.flatten(0, -2)
        scaled = flat if ctx.scaling == 1 else flat * ctx.scaling
        into_inner = scaled @ half_b
        of_b = as_weight(inner.flatten(0, -2).t() @ scaled)
        of_a = as_weight(read.flatten(0, -2).t() @ into_inner)
        of_adapted = (into_inner @ half_a).view(shape).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        of_x = (flat @ weight).view(shape).to(ctx.dtype) if ctx.needs_input_grad[1] else None
        return of_adapted, of_x, None, None, of_a, of_b, None, None, None


def as_weight(product: Tensor) -> Tensor:
    """The gradient of a weight, float32 [out, in], from its transpose: turned and cast by one kernel."""
    return product.t().to(torch.float32, memory_format=torch.contiguous_format)


def halve_lora(policy: nn.Module) -> None:
    """Makes such layers of a model's, where nothing but A and B trains in them; the others stay PEFT's."""
    layers = [layer for layer in policy.modules() if type(layer) is Linear and is_plain(layer)]
    weights = [part.weight for layer in layers for part in parts_of(layer)]
    halves = HalfWeights(weights)
    for layer in layers:
        layer.__class__ = HalfLora
        vars(layer)["halves"] = halves  # no part of the module


def is_plain(layer: Linear) -> bool:
    """Whether it is LoRA and no more: no DoRA, no bias, no dropout (whose gradient comes later), on a linear layer."""
    is_linear = isinstance(layer.base_layer, nn.Linear) and not layer.fan_in_fan_out
    drops = any(not isinstance(each, nn.Identity) for each in layer.lora_dropout.values())
    return is_linear and not drops and not layer.lora_variant and all(part.bias is None for part in parts_of(layer))


def parts_of(layer: Linear) -> list[Any]:
    """A and B of each adapter on it."""
    return [part for kind in (layer.lora_A, layer.lora_B) for part in kind.values()]
