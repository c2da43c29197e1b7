"""Binary classifier optimization (2404.04656): a classifier of good and bad summaries whose logit is the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number
from summpo.objectives import require_label_weights, require_reference_point

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BCO:
    """-log sigmoid(r - z) where desirable, -log sigmoid(z - r) where not; r as in `losses.labelled_reward`.

    z, the reward shift delta, is the mean reward of the rows, without a gradient: half the sum of the two labels' means
    where there are as many of either. The paper's weighing of undesirable rows by how likely they are among desirable
    prompts is left out: it needs a classifier of prompts. A constant in the margins moves r and z alike and cancels.
    """

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    w0: float = 1.0
    """The weight of the labels beside the margin rewards' weights; > 0."""
    reference_point: str = "running"
    """The reference point: running = of all rows so far; batch = of the step's batch, over all processes; none = 0."""
    desirable_weight: float | None = None
    """What a desirable row's loss weighs; null = so that both labels weigh the same in all."""
    undesirable_weight: float | None = None
    """What an undesirable row's loss weighs; null = so that both labels weigh the same in all."""

    learns_from: ClassVar[str] = "labelled"
    needs_reference: ClassVar[bool] = True
    needs_mismatched: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.w0", self.w0, above=0)
        require_reference_point(self.reference_point)
        require_label_weights(self.desirable_weight, self.undesirable_weight)

    def rewards(self, log_ratios: Tensor, margin: Tensor) -> Tensor:
        """Float [row]: (beta log-ratio - w . (m - mean of m)) / w0."""
        from summpo.objectives.losses import labelled_reward

        return labelled_reward(log_ratios, margin, self.beta, self.w0)

    def points(self, rewards: Tensor, mismatched: Tensor) -> Tensor:
        """Float [row]: what z is the mean of, the rewards."""
        return rewards

    def point_of(self, mean: Tensor) -> Tensor:
        """Float []: the mean."""
        return mean

    def link(self, rewards: Tensor, point: Tensor, labels: Tensor) -> Tensor:
        """Float [row]: the loss of each row, not weighed."""
        from summpo.objectives.losses import labelled_logit, sigmoid_link

        return sigmoid_link(labelled_logit(rewards, point, labels))
