"""A reward model: a scalar head that scores a summary, trained on human comparisons (2009.01325; 2203.02155 eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLosses


@dataclass(frozen=True)
class RewardModel:
    """-log sigmoid(r(yw) - r(yl) - w . m): Bradley-Terry on scores, with a margin as in 2307.09288 eq. 2."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = False

    def score_losses(self, scores: Tensor, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; what a completion is worth is its score."""
        from summpo.objectives.losses import margin_logit, sigmoid_link
        from summpo.records import PairLosses

        logit = margin_logit(scores, margin)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=scores)
