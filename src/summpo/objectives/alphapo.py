"""AlphaPO (2501.03884): SimPO whose reward is a power of the mean probability, and not its logarithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class AlphaPO:
    """-log sigmoid(beta (r_w - r_l) - gamma), r = (1 - p^-alpha) / alpha with p = exp(log pi / L)."""

    beta: float = 2.5
    """What a unit of the reward is worth (the authors take 2.5 for Mistral); > 0."""
    gamma: float = 0.1
    """How far ahead the chosen must be; >= 0."""
    alpha: float = 0.25
    """The reward's shape: above 0 steeper for what is unlikely, below 0 for what is likely; 0 is SimPO."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.gamma", self.gamma, low=0)
        require_number("objective.alpha", self.alpha, low=-10, high=10)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; gamma adds to the margin."""
        from summpo.objectives.losses import margin_logit, power_reward, sigmoid_link
        from summpo.records import PairLosses

        rewards = self.beta * power_reward(pairs.policy.means(), self.alpha)
        logit = margin_logit(rewards, margin + self.gamma)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
