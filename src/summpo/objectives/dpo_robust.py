"""Robust DPO (2403.00409): unbiased where a known share of the labels is flipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number
from summpo.objectives import require_label_smoothing

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class DPORobust:
    """((1 - e) (-log sigmoid(beta D)) - e (-log sigmoid(-beta D))) / (1 - 2 e), unbiased. Its loss may be below 0."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    label_smoothing: float = 0.1
    """The share of labels taken to be flipped, in [0, 0.5)."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_label_smoothing(self.label_smoothing)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is the difference of the two, weighed by the share of flipped labels."""
        from summpo.objectives.losses import implicit_reward, margin_logit, robust_sigmoid_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=robust_sigmoid_link(logit, self.label_smoothing), logit=logit, rewards=rewards)
