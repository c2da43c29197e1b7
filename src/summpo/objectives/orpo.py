"""ORPO (2403.07691): SFT on the chosen and an odds ratio against the rejected, in one stage and without a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class ORPO:
    """-log pi_w / Lw - lambda log sigmoid(log-odds_w - log-odds_l), eq. 6 and 7; odds of the mean token probability."""

    weight: float = 0.1
    """The paper's lambda: what the odds ratio weighs beside the SFT term; > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_number("objective.weight", self.weight, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """SFT's loss a token of the chosen completion, and -log sigmoid of the logit times lambda."""
        from summpo.objectives.losses import log_odds, margin_logit, negative_log_likelihood, sigmoid_link
        from summpo.records import PairLosses

        means = pairs.policy.means()
        rewards = log_odds(means)
        logit = margin_logit(rewards, margin)
        chosen_mean, _ = means.chunk(2)
        loss = negative_log_likelihood(chosen_mean) + self.weight * sigmoid_link(logit)
        return PairLosses(loss=loss, logit=logit, rewards=rewards)
