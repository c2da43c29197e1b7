"""APO-down (2408.06266): both completions down from where the reference is, the rejected one further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class APODown:
    """sigmoid(r_w) + 1 - sigmoid(r_w - r_l) with r = beta log-ratio, eq. 8.

    For chosen completions that are worse than what the policy writes by itself; `apo_zero` is for better ones. Between
    0 and 2, and flat where a pair's margin is many nats, of which each completion bears half. The constant 1 is no part
    of the paper's loss; TRL's has it.
    """

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link sees the chosen reward alone, less its half of the margin, and the difference of the two."""
        from summpo.objectives.losses import apo_down_link, implicit_reward, margin_logit, rewards_less_margin
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        loss = apo_down_link(rewards_less_margin(rewards, margin))
        return PairLosses(loss=loss, logit=margin_logit(rewards, margin), rewards=rewards)
