"""Objectives: what is minimised. One frozen dataclass a file, one yaml in conf/objective beside it.

A pairwise objective makes three steps of a pair, and every one of them takes every margin reward: what each completion
is worth to the policy (`rewards`); the logit, their difference less the margin (`losses.margin_logit`); a link from the
logit to the loss. SFT learns from single completions and has neither logit nor link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from summpo.errors import require, require_number

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import LogProbs, PairLogProbs, PairLosses


@runtime_checkable
class CompletionObjective(Protocol):
    """Learns from one completion a row. Config target of `objective=sft`."""

    learns_from: ClassVar[str]
    """"completions"."""

    def token_loss(self, policy: LogProbs) -> Tensor:
        """Float [token]: the loss of each completion token; the caller takes the mean over tokens."""
        ...


@runtime_checkable
class PairwiseObjective(Protocol):
    """Learns from a chosen and a rejected completion a row."""

    learns_from: ClassVar[str]
    """"pairs"."""

    @property
    def needs_reference(self) -> bool:
        """Whether `losses` looks at the reference's log-probs. Of most objectives a class variable."""
        ...

    def losses(self, pairs: PairLogProbs, margin: Tensor) -> PairLosses:
        """The loss of each pair.

        Args:
            margin: float [pair], the weighted margin rewards of the chosen less those of the rejected completion.
        """
        ...


@runtime_checkable
class CollisionObjective(Protocol):
    """A pairwise objective that may also look at how sure the policy is of each token (`LogProbs.log_collisions`)."""

    @property
    def needs_collisions(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class ScoreObjective(Protocol):
    """Trains a scalar head that scores completions, a reward model, by the same rewards, margin and link."""

    learns_from: ClassVar[str]
    """"pairs"."""
    needs_reference: ClassVar[bool]
    """False."""

    def score_losses(self, scores: Tensor, margin: Tensor) -> PairLosses:
        """The loss of each pair.

        Args:
            scores: float [sequence], the head's number for chosen_0 .. chosen_n, rejected_0 .. rejected_n.
            margin: float [pair], as in `PairwiseObjective.losses`.
        """
        ...


Objective = CompletionObjective | PairwiseObjective | ScoreObjective
OBJECTIVES = (CompletionObjective, PairwiseObjective, ScoreObjective)


def needs_collisions(objective: Objective) -> bool:
    """Whether an objective looks at `LogProbs.log_collisions`, which cost one pass more over the logits."""
    return isinstance(objective, CollisionObjective) and objective.needs_collisions


def require_label_smoothing(value: float) -> None:
    """Guards the share of labels taken to be flipped: in [0, 0.5)."""
    require_number("objective.label_smoothing", value, low=0)
    require(value < 0.5, f"label_smoothing must be < 0.5, got {value} (config key objective.label_smoothing)")
