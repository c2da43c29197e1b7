"""WPO (2406.11827): DPO in which a pair counts as much as the policy is likely to write it itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class WPO:
    """-p(yw) p(yl) log sigmoid(beta D), eq. 2, with p = exp(mean over tokens of log pi - log sum_v pi_v^2).

    No gradient goes through p. The sum over the vocabulary is the paper's "sampled alignment": what the policy would
    write weighs about 1, however sure of it it is. The authors' code cuts the product of the two off at 1; TRL's and
    this do not. A loss can rise because its weight does: compare models by their reward accuracy.
    """

    beta: float = 0.1
    """How closely the policy stays by the reference; > 0."""

    learns_from: ClassVar[str] = "pairs"
    needs_reference: ClassVar[bool] = True
    needs_collisions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("objective.beta", self.beta, above=0)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The link is -log sigmoid, times the weight."""
        from summpo.objectives.losses import implicit_reward, margin_logit, probability_of_pair, sigmoid_link
        from summpo.records import PairLosses

        rewards = implicit_reward(pairs.policy.sums(), pairs.reference.sums(), self.beta)
        logit = margin_logit(rewards, margin)
        weight = probability_of_pair(pairs.policy.aligned_means())
        return PairLosses(loss=weight * sigmoid_link(logit), logit=logit, rewards=rewards)
