"""DPO-Positive (2402.13228): DPO that may not make the chosen completion unlikelier than the reference does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class DPOP:
    """-log sigmoid(beta (D - lambda max(0, log ref_w - log pi_w))): the penalty inside beta, as in eq. 3."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    penalty: float = 5.0
    """The paper's lambda: what a nat lost on the chosen completion costs; >= 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.penalty", self.penalty, low=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; what the chosen completion lost is taken off the logit."""
        from summpo.objectives.losses import implicit_reward, margin_logit, shortfall, sigmoid_link
        from summpo.records import PairLosses

        policy, reference = pairs.policy.sums(), pairs.reference.sums()
        rewards = implicit_reward(policy, reference, self.beta)
        lost, _ = shortfall(policy, reference).chunk(2)
        logit = margin_logit(rewards, margin + self.beta * self.penalty * lost)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
