"""Length-normalised DPO (Tulu 3, 2411.15124): log-ratios per token, so that length alone earns nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class LNDPO:
    """-log sigmoid(beta (log-ratio_w / Lw - log-ratio_l / Ll)), section 5."""

    beta: float = 5.0
    """Strength of the implicit reward, per token, so larger than DPO's (Tulu 3 takes 5); > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; the rewards are means over tokens."""
        from summpo.objectives.losses import implicit_reward, margin_logit, sigmoid_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.means(), pairs.reference.means(), self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
