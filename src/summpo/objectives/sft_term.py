"""SFT on the chosen completion beside any pairwise objective (2404.19733, 2406.11704). Set by `sft_weight`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_number
from summpo.objectives import PairwiseObjective, needs_collisions

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import PairLogProbs, PairLosses


@dataclass(frozen=True)
class WithSFT:
    """The objective's loss - sft_weight log pi_w / Lw: iterative RPO's loss (2404.19733 eq. 1) where it is DPO.

    A mean over each chosen completion's tokens, as in the paper and in CPO and ORPO here, so that a pair's loss is its
    own. TRL's loss type "sft" is the mean over all chosen tokens of a batch: the same where the lengths are.
    """

    objective: PairwiseObjective
    sft_weight: float
    """What a nat a token of the chosen completion weighs; > 0."""

    learns_from: ClassVar[str] = "pairs"

    def __post_init__(self) -> None:
        require_number("sft_weight", self.sft_weight, above=0)

    @property
    def needs_reference(self) -> bool:
        return self.objective.needs_reference

    @property
    def needs_collisions(self) -> bool:
        return needs_collisions(self.objective)

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """Logit and rewards are the objective's own."""
        from summpo.objectives.losses import negative_log_likelihood

        made = self.objective.losses(pairs, margin)
        chosen_mean, _ = pairs.policy.means().chunk(2)
        return replace(made, loss=made.loss + self.sft_weight * negative_log_likelihood(chosen_mean))
