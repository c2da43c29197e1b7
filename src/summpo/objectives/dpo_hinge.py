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
    """max(0, 1 - (beta D - w . m) / w0): MODPO (2310.03708 eq. 11) with a hinge for a link; w0 = 1 is SLiC's."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    w0: float = 1.0
    """The weight of the human preference beside the margin rewards' weights; > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.w0", self.w0, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is max(0, 1 - logit); the logit is divided by w0."""
        from summpo.objectives.losses import hinge_link, implicit_reward, margin_logit
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        logit = margin_logit(rewards, margin, self.w0)
        return PairLosses(loss=hinge_link(logit), logit=logit, rewards=rewards)
