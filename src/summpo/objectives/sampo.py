"""SamPO (2406.10957): as many tokens of the longer completion as the shorter has, drawn anew at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class SamPO:
    """DPO on sums over min(Lw, Ll) tokens, drawn without replacement from the longer completion.

    One draw serves policy and reference. Validation draws for each pair the same at every step.
    """

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid; the pair's seed decides which tokens count."""
        from summpo.objectives.losses import implicit_reward, margin_logit, sigmoid_link
        from summpo.objectives.token_weights import down_sampled
        from summpo.records import PairLosses

        weights = down_sampled(pairs.counted(), pairs.seeds, pairs.policy.tokens.device)
        policy, reference = (side.weighted(weights).sums() for side in (pairs.policy, pairs.reference))
        rewards = implicit_reward(policy, reference, self.beta)
        logit = margin_logit(rewards, margin)
        return PairLosses(loss=sigmoid_link(logit), logit=logit, rewards=rewards)
