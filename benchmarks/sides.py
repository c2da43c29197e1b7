"""The sides of the comparison by name, on equal weights and equal pairs, and that they compute the same.

A step is the loss of a batch that is made already, its gradients, the optimizer's step and its zeroing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from setting import Setting
from summpo.records import FrozenColumns
from summpo_side import Summpo, summpo_side
from trl_side import trl_side

DEFAULTS, BEST, COMPACT = "TRL defaults", "TRL best real", "TRL compact"
SUMMPO, SUMMPO_CHECKPOINTED = "summpo", "summpo, checkpointing"
TOLERANCE = 1e-4
"""Of the loss, and of a completion's log-prob beside float32's own 1e-5 of its size."""


class Side(Protocol):
    """Who takes steps."""

    @property
    def policy(self) -> Any:
        """The PEFT model that is trained."""
        ...

    def batch(self, columns: FrozenColumns, rows: np.ndarray) -> Any:
        """The batch of these rows, as this side reads it."""
        ...

    def step(self, batch: Any) -> None:
        """One optimizer step."""
        ...

    def loss(self, batch: Any) -> Tensor:
        """The mean loss of the batch's pairs."""
        ...

    def log_probs(self, batch: Any) -> Tensor:
        """[sequence]: the policy's, chosen then rejected."""
        ...


def make_side(name: str, setting: Setting) -> Side:
    """One of `SUMMPO`, `SUMMPO_CHECKPOINTED`, `DEFAULTS`, `BEST`, `COMPACT`, with a model of its own."""
    if name in (SUMMPO, SUMMPO_CHECKPOINTED):
        return summpo_side(setting, name == SUMMPO_CHECKPOINTED)
    return trl_side(setting, name == DEFAULTS, name == COMPACT)


def make_sides(others: Sequence[str], setting: Setting) -> tuple[Summpo, dict[str, Side]]:
    """summpo, and all sides by name with it as the first; the weights are equal."""
    ours = summpo_side(setting, checkpointed=False)
    return ours, {SUMMPO: ours, **{name: make_side(name, setting) for name in others}}


def assert_equal(sides: Mapping[str, Side], columns: FrozenColumns, rows: np.ndarray) -> str:
    """Checks that all sides give the same loss and log-probs of a batch (float32), and says how far they are apart.

    Raises:
        AssertionError: they do not.
    """
    found = {}
    for name, side in sides.items():
        batch = side.batch(columns, rows)
        found[name] = (side.loss(batch).detach().cpu(), side.log_probs(batch).cpu())
    loss, log_probs = found[SUMMPO]
    loss_gap = max(float((other - loss).abs()) for other, _ in found.values())
    gap = max(float((other - log_probs).abs().max()) for _, other in found.values())
    for name, (other_loss, other) in found.items():
        assert torch.allclose(other_loss, loss, rtol=0, atol=TOLERANCE), f"{name}: loss {other_loss}, summpo {loss}"
        assert torch.allclose(other, log_probs, rtol=1e-5, atol=TOLERANCE), f"{name}: {other}, summpo {log_probs}"
    return f"same loss to {loss_gap:.0e}, same log-probs ({log_probs.mean():.1f} nats a completion) to {gap:.0e}"
