"""Multi-objective DPO (2310.03708): human preference with weight w0 beside margin rewards with weights w."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import LogProbs


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

    def reward(self, policy: LogProbs, reference: LogProbs | None) -> Tensor:
        """Float [sequence]: the implicit reward beta * (log pi - log ref), summed over the completion's tokens."""
        from summpo.losses import implicit_reward

        assert reference is not None, "needs_reference"
        return implicit_reward(policy.sums(), reference.sums(), self.beta)

    def link(self, logit: Tensor) -> Tensor:
        """Float [pair]: -log sigmoid."""
        from summpo.losses import sigmoid_link

        return sigmoid_link(logit)
