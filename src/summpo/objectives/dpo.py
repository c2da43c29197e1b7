"""Direct preference optimization (2305.18290), with label smoothing as its authors' conservative form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number
from summpo.objectives import require_label_smoothing

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class DPO:
    """-log sigmoid(beta D), eq. 7. With margin rewards and w above 0 it is MODPO with w0 = 1."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    label_smoothing: float = 0.0
    """The share of labels taken to be flipped, in [0, 0.5)."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_label_smoothing(self.label_smoothing)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid, smoothed."""
        from summpo.objectives.losses import implicit_reward, margin_logit, smoothed_sigmoid_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=smoothed_sigmoid_link(logit, self.label_smoothing), logit=logit, rewards=rewards)
