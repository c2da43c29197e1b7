"""SimPO (2405.14734): no reference; the mean log-prob is the reward, with a target margin between the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class SimPO:
    """-log sigmoid(beta (log pi_w / Lw - log pi_l / Ll) - gamma), eq. 6."""

    beta: float = 2.0
    """What a nat per token is worth (the authors take 2 to 2.5); > 0."""
    gamma: float = 1.0
    """How far ahead the chosen must be; >= 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.gamma", self.gamma, low=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; gamma adds to the margin."""
        from summpo.objectives.losses import margin_logit, sigmoid_link
        from summpo.records import PairLosses

        rewards = self.beta * pairs.policy.means()
        logit = margin_logit(rewards, margin + self.gamma)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
