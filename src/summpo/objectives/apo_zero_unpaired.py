"""APO-zero (2408.06266) of summaries labelled good or bad: the good up, the bad down, from where the reference is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number
from summpo.objectives import require_label_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class APOZeroUnpaired:
    """1 - sigmoid(r) where desirable, sigmoid(r) where not, eq. 7 by its parts; r as in `losses.labelled_reward`.

    Its point of reference is where the reference model is, r = 0; margins less their mean keep it there on average.
    """

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    w0: float = 1.0
    """The weight of the labels beside the margin rewards' weights; > 0."""
    desirable_weight: float | None = None
    """What a desirable row's loss weighs; null = so that both labels weigh the same in all."""
    undesirable_weight: float | None = None
    """What an undesirable row's loss weighs; null = so that both labels weigh the same in all."""

    learns_from: ClassVar[str] = "labelled"
    needs_reference: ClassVar[bool] = True
    needs_mismatched: ClassVar[bool] = False
    reference_point: ClassVar[str] = "none"

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.w0", self.w0, above=0)
        require_label_weights(self.desirable_weight, self.undesirable_weight)

    def rewards(self, log_ratios: Tensor, margin: Tensor) -> Tensor:
        """Float [row]: (beta log-ratio - w . (m - mean of m)) / w0."""
        from summpo.objectives.losses import labelled_reward

        return labelled_reward(log_ratios, margin, self.beta, self.w0)

    def points(self, rewards: Tensor, mismatched: Tensor) -> Tensor:
        """Float [row]: none is asked for."""
        return rewards

    def point_of(self, mean: Tensor) -> Tensor:
        """Float []: 0, as there is no mean."""
        return mean

    def link(self, rewards: Tensor, point: Tensor, labels: Tensor) -> Tensor:
        """Float [row]: the loss of each row, not weighed."""
        from summpo.objectives.losses import labelled_logit

        return (-labelled_logit(rewards, point, labels)).sigmoid()
