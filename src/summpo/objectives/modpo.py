"""Multi-objective DPO (2310.03708): human preference with weight w0 beside margin rewards with weights w."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class MODPO:
    """-log sigmoid((beta D - w . m) / w0), eq. 11."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    w0: float = 1.0
    """The weight of the human preference; > 0. The length example has (w0, w) = (1, w)."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.w0", self.w0, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """Eq. 11, written out; `margin` is w . m, and D the difference of the log-ratios of chosen and rejected."""
        from torch.nn.functional import logsigmoid

        from summpo.records import PairLosses

        rewards = self.beta * (pairs.policy.sums() - pairs.reference.sums())
        chosen, rejected = rewards.chunk(2)
        logit = ((chosen - rejected) - margin) / self.w0
        return PairLosses(loss=-logsigmoid(logit), logit=logit, rewards=rewards)
