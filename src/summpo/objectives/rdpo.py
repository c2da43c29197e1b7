"""R-DPO (2403.19159): DPO that pays for length, in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class RDPO:
    """-log sigmoid(beta D + alpha (Lw - Ll)), eq. 9. It is MODPO with the margin reward `length` and w = alpha."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    alpha: float = 0.02
    """What a token of length costs, in nats; >= 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.alpha", self.alpha, low=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The longer chosen completion counts as learnt alpha nats a token earlier."""
        from summpo.objectives.losses import implicit_reward, margin_logit, sigmoid_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        chosen_length, rejected_length = pairs.policy.lengths.chunk(2)
        longer = (chosen_length - rejected_length).to(margin.dtype)
        logit = margin_logit(rewards, margin - self.alpha * longer)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
