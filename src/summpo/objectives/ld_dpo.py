"""Length-desensitised DPO (2409.06411): what is longer than its rival counts less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class LDDPO:
    """DPO on log-probs that count the tokens beyond the first min(Lw, Ll) alpha times, in policy and reference."""

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""
    alpha: float = 0.5
    """What a token beyond the shared length counts, in [0, 1]; 1 is DPO."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)
        require_number("objective.alpha", self.alpha, low=0, high=1)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; tokens beyond the shared length count alpha."""
        from summpo.objectives.losses import implicit_reward, margin_logit, sigmoid_link
        from summpo.objectives.token_weights import beyond_shared
        from summpo.records import PairLosses

        weights = beyond_shared(pairs.policy.lengths, self.alpha, len(pairs.policy.tokens))
        policy, reference = (side.weighted(weights).sums() for side in (pairs.policy, pairs.reference))
        rewards = implicit_reward(policy, reference, self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
