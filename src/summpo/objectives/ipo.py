"""Identity preference optimization (2310.12036): a regression on the difference, with a target instead of a sigmoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class IPO:
    """(D - 1 / (2 beta))^2, eq. 17, D of log-ratios that are means over tokens.

    The means are the authors' correction; with sums long completions would weigh more.
    """

    beta: float = 0.1
    """The paper's tau: the target of D is 1 / (2 beta); > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The logit is beta D less the margin, its target 1/2."""
        from summpo.objectives.losses import implicit_reward, margin_logit, squared_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.means(), pairs.reference.means(), self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=squared_link(logit, self.beta), logit=logit, rewards=rewards)
