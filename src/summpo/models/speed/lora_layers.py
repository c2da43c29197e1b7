"""LoRA layers on a frozen base under autocast, their gradient written out: PEFT's numbers to the bit, fewer launches.

y = W x + s B A x. By itself autocast casts x for W and for A, and keeps both copies for the backward pass; PEFT casts
it before that to float32 where it is not. Here x is cast once, and A and B together.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from summpo.models.speed.cached_autocast import FrozenLinear, is_frozen


class HalfLora(Linear):
    """PEFT's layer, as it is but under autocast on a frozen base."""

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
        parts: tuple[Any, Any, Any] = (self.base_layer, self.lora_A[name], self.lora_B[name])
        base, a, b = parts
        if not is_frozen(base) or any(part._forward_hooks or part._forward_pre_hooks for part in parts):
            return super().forward(x)
        weight, bias = base.cast_to(dtype) if type(base) is FrozenLinear else (base.weight, base.bias)
        if weight.dtype != dtype:
            return super().forward(x)
        return _HalfLora.apply(x, x, weight, bias, a.weight, b.weight, self.scaling[name])


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
        scaling: float,
    ) -> Tensor:
        """`adapted` is x once more. The float32 weights take the gradients, copies of them compute."""
        ctx.dtype, ctx.scaling = x.dtype, scaling
        read = x.to(weight.dtype)
        half_a, half_b = halves = [torch.empty_like(each, dtype=weight.dtype) for each in (lora_a, lora_b)]
        torch._foreach_copy_(halves, [lora_a, lora_b])
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
        return of_adapted, of_x, None, None, of_a, of_b, None


def as_weight(product: Tensor) -> Tensor:
    """The gradient of a weight, float32 [out, in], from its transpose: turned and cast by one kernel."""
    return product.t().to(torch.float32, memory_format=torch.contiguous_format)


def halve_lora(policy: nn.Module) -> None:
    """Makes such layers of a model's, where nothing but A and B trains in them; the others stay PEFT's."""
    for layer in policy.modules():
        if type(layer) is Linear and is_plain(layer):
            layer.__class__ = HalfLora


def is_plain(layer: Linear) -> bool:
    """Whether it is LoRA and no more: no DoRA, no bias, no dropout (whose gradient comes later), on a linear layer."""
    parts: list[Any] = [part for kind in (layer.lora_A, layer.lora_B) for part in kind.values()]
    is_linear = type(layer.base_layer) in (nn.Linear, FrozenLinear) and not layer.fan_in_fan_out
    drops = any(not isinstance(each, nn.Identity) for each in layer.lora_dropout.values())
    return is_linear and not drops and not layer.lora_variant and all(part.bias is None for part in parts)
