"""CPO (2401.08417): DPO with a uniform reference, held in place by SFT on the chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class CPO:
    """-log sigmoid(beta (log pi_w - log pi_l)) - alpha log pi_w / Lw.

    The SFT term is a mean over tokens, as in the authors' code; a sum would drown the preference.
    """

    beta: float = 0.1
    """What a nat is worth; > 0."""
    alpha: float = 1.0
    """What the SFT term weighs; >= 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.alpha", self.alpha, low=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid, with SFT's loss a token of the chosen completion beside it."""
        from summpo.objectives.losses import margin_logit, negative_log_likelihood, sigmoid_link
        from summpo.records import PairLosses

        rewards = self.beta * pairs.policy.sums()
        logit = margin_logit(rewards, margin)
        chosen_mean, _ = pairs.policy.means().chunk(2)
        loss = sigmoid_link(logit) + self.alpha * negative_log_likelihood(chosen_mean)
        return PairLosses(loss=loss, logit=logit, rewards=rewards)
