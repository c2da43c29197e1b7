"""Multi-objective DPO (2310.03708): human preference with weight w0 beside margin rewards with weights w."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class MODPO:
    """-log sigmoid((beta D - w . m) / w0), eq. 11."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    w0: float = 1.0
    """The weight of the human preference; > 0. The length example has (w0, w) = (1, w)."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.w0", self.w0, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; the logit is divided by w0."""
        from summpo.objectives.losses import implicit_reward, margin_logit, sigmoid_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        logit = margin_logit(rewards, margin, self.w0)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
