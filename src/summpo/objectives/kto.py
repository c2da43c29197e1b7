"""Kahneman-Tversky optimization (2402.01306): labelled summaries, each by itself, against a reference point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number
from summpo.objectives import require_label_weights, require_reference_point

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KTO:
    """1 - sigmoid(r - z) where desirable, 1 - sigmoid(z - r) where not, eq. 7; r as in `losses.labelled_reward`.

    z is what the policy's own summaries are worth: beta KL(policy || reference), estimated as the mean log-ratio of
    prompts with the completions of other rows; not below 0, and without a gradient.
    """

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    w0: float = 1.0
    """The weight of the labels beside the margin rewards' weights; > 0."""
    reference_point: str = "batch"
    """The reference point: batch = of the step's batch, over all processes; running = of all rows so far; none = 0, and
    half the work."""
    desirable_weight: float | None = None
    """What a desirable row's loss weighs; null = so that both labels weigh the same in all."""
    undesirable_weight: float | None = None
    """What an undesirable row's loss weighs; null = so that both labels weigh the same in all."""

    learns_from: ClassVar[str] = "labelled"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.w0", self.w0, above=0)
        require_reference_point(self.reference_point)
        require_label_weights(self.desirable_weight, self.undesirable_weight)

    @property
    def needs_mismatched(self) -> bool:
        return self.reference_point != "none"

    def rewards(self, log_ratios: Tensor, margin: Tensor) -> Tensor:
        """Float [row]: (beta log-ratio - w . (m - mean of m)) / w0."""
        from summpo.objectives.losses import labelled_reward

        return labelled_reward(log_ratios, margin, self.beta, self.w0)

    def points(self, rewards: Tensor, mismatched: Tensor) -> Tensor:
        """Float [row]: what z is the mean of, beta / w0 times the log-ratio of a mismatched completion."""
        return self.beta * mismatched / self.w0

    def point_of(self, mean: Tensor) -> Tensor:
        """Float []: z, a divergence, which a mean of log-ratios may estimate below 0."""
        return mean.clamp(min=0)

    def link(self, rewards: Tensor, point: Tensor, labels: Tensor) -> Tensor:
        """Float [row]: the loss of each row, not weighed."""
        from summpo.objectives.losses import labelled_logit

        return (-labelled_logit(rewards, point, labels)).sigmoid()
