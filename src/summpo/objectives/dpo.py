"""Direct preference optimization (2305.18290), with label smoothing as its authors' conservative form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require, require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import LogProbs


@dataclass(frozen=True)
class DPO:
    """-log sigmoid(beta D), eq. 7. With margin rewards and w above 0 it is MODPO with w0 = 1."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    label_smoothing: float = 0.0
    """The share of labels taken to be flipped, in [0, 0.5)."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True
    w0: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.label_smoothing", self.label_smoothing, low=0)
        require(
            self.label_smoothing < 0.5,
            f"label_smoothing must be < 0.5, got {self.label_smoothing} (config key objective.label_smoothing)",
        )

    def reward(self, policy: LogProbs, reference: LogProbs | None) -> Tensor:
        """Float [sequence]: the implicit reward beta * (log pi - log ref), summed over the completion's tokens."""
        from summpo.losses import implicit_reward

        assert reference is not None, "needs_reference"
        return implicit_reward(policy.sums(), reference.sums(), self.beta)

    def link(self, logit: Tensor) -> Tensor:
        """Float [pair]: -log sigmoid, smoothed."""
        from summpo.losses import smoothed_sigmoid_link

        return smoothed_sigmoid_link(logit, self.label_smoothing)
