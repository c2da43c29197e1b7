"""AdamW and its learning rate, from the number of optimizer steps of the run and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from summpo.errors import require, require_choice, require_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch.nn import Parameter
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


WARMUP_RATIO = 0.1
"""Where nothing else is said."""


@dataclass(frozen=True)
class AdamW:
    """Decoupled weight decay (1711.05101) on matrices; warm-up over a share or a number of steps, then a schedule."""

    lr: float = 2e-4
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moment."""
    schedule: str = "cosine"
    """After the warm-up: cosine (to 0), linear (to 0) or constant."""
    warmup_ratio: float = WARMUP_RATIO
    """Share of the optimizer steps over which the learning rate rises from 0."""
    warmup_steps: int | None = None
    """The same as a number of steps, in place of the ratio, which then stays at its default; null for the ratio."""

    def __post_init__(self) -> None:
        require_number("optimizer.lr", self.lr, above=0)
        require_number("optimizer.weight_decay", self.weight_decay, low=0)
        require_number("optimizer.warmup_ratio", self.warmup_ratio, low=0, high=1)
        if self.warmup_steps is not None:
            require_number("optimizer.warmup_steps", self.warmup_steps, low=0)
            require(
                self.warmup_ratio == WARMUP_RATIO,
                f"warmup_steps={self.warmup_steps} and warmup_ratio={self.warmup_ratio:g} are two lengths of one "
                f"warm-up: leave warmup_ratio at {WARMUP_RATIO:g} (config key optimizer.warmup_steps)",
            )
        require_choice("optimizer.schedule", self.schedule, ("cosine", "linear", "constant"))
        require(
            len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
            f"betas must be two numbers in [0, 1), got {list(self.betas)} (config key optimizer.betas)",
        )

    def build(self, parameters: Iterable[Parameter], total_steps: int) -> tuple[Optimizer, LRScheduler]:
        """The optimizer of the trainable parameters and its schedule over `total_steps` optimizer steps.

        Where all of them lie on CUDA devices a step is one kernel for all (torch's `fused`).
        """
        import torch

        trainable = [p for p in parameters if p.requires_grad]
        groups = [
            {"params": [p for p in trainable if p.dim() > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": 0.0},
        ]
        fused = True if all(p.is_cuda for p in trainable) else None
        optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=self.lr, betas=self.betas, fused=fused)
        # Lightning clips no gradients that an optimizer would unscale by itself; ours are unscaled before
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        warmup = self.warmup(total_steps)
        scale = partial(learning_rate_scale, schedule=self.schedule, warmup=warmup, total=total_steps)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, scale)

    def warmup(self, total_steps: int) -> int:
        """Over how many optimizer steps of a run of `total_steps` the learning rate rises from 0 to its peak."""
        return math.ceil(self.warmup_ratio * total_steps) if self.warmup_steps is None else self.warmup_steps


def learning_rate_scale(step: int, *, schedule: str, warmup: int, total: int) -> float:
    """The learning rate of optimizer step `step` (from 0) of `total`, as a share of its peak.

    Args:
        warmup: steps of its rise; a run that has fewer never comes to the peak.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    if schedule == "linear":
        return max(0.0, 1 - progress)
    return 1.0
