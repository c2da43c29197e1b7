"""On what both sides of a comparison compute: weights, device, precision, and the adapter that both train."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from bases import Base
from summpo.models import Lora
from summpo.training.optimizers import AdamW

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj"]
LORA = Lora(r=64, alpha=64, target_modules=LAYERS)
BETA = 0.1


@dataclass(frozen=True)
class Setting:
    """The same for every side."""

    base: Base
    device: str
    """cpu or cuda."""
    autocast: torch.dtype | None = None
    """None: float32 throughout."""
    weights: torch.dtype = torch.float32
    """Of the base; the adapter's are float32."""

    def autocasting(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.autocast is None else torch.autocast(self.device, dtype=self.autocast)

    @property
    def precision(self) -> str:
        """In words."""
        if self.autocast is None:
            return dtype_name(self.weights)
        held = "" if self.weights == torch.float32 else f", {dtype_name(self.weights)} weights"
        return f"{dtype_name(self.autocast)} autocast{held}"


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def draw_adapter(policy: Any) -> None:
    """Puts the same numbers into every policy's adapter, none of them 0, so that policy and reference differ."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in sorted(policy.named_parameters()):
        if weight.requires_grad:
            scale = weight.shape[1] ** -0.5 if "lora_A" in name else 0.002
            weight.data.copy_(scale * torch.randn(weight.shape, generator=generator))


def optimizer_of(policy: Any) -> torch.optim.Optimizer:
    return AdamW(lr=1e-6).build(policy.parameters(), total_steps=1000)[0]
