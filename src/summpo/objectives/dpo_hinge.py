"""DPO with the hinge of SLiC-HF (2305.10425): a pair that is far enough apart teaches nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class DPOHinge:
    """max(0, 1 - beta D)."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is max(0, 1 - logit)."""
        from summpo.losses import hinge_link, implicit_reward, margin_logit
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=hinge_link(logit), logit=logit, rewards=rewards)
