"""Objectives: what is minimised. One frozen dataclass a file, one yaml in conf/objective beside it.

A pairwise objective makes three steps of a pair, and every one of them takes every margin reward: what each completion
is worth to the policy (`rewards`); the logit, their difference less the margin (`losses.margin_logit`); a link from the
logit to the loss. SFT learns from single completions and has neither logit nor link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from summpo.errors import require, require_choice, require_number

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


@runtime_checkable
class LabelledObjective(Protocol):
    """Learns from completions that are labelled good or bad, each by itself, against a reference point."""

    learns_from: ClassVar[str]
    """"labelled"."""
    needs_reference: ClassVar[bool]
    """True."""

    @property
    def needs_mismatched(self) -> bool:
        """Whether `points` looks at the log-ratios of mismatched completions."""
        ...

    @property
    def reference_point(self) -> str:
        """Over which rows the mean of `points` is taken: batch, running or none."""
        ...

    @property
    def desirable_weight(self) -> float | None:
        """What the loss of a good row weighs; None for left to the training rows."""
        ...

    @property
    def undesirable_weight(self) -> float | None:
        """What the loss of a bad row weighs; None for left to the training rows."""
        ...

    def rewards(self, log_ratios: Tensor, margin: Tensor) -> Tensor:
        """Float [row]: what the policy says that each completion is worth to whom the labels are from.

        Args:
            log_ratios: float [row], log pi - log ref of each completion.
            margin: float [row], its weighted margin rewards, each less its mean over the training rows.
        """
        ...

    def points(self, rewards: Tensor, mismatched: Tensor) -> Tensor:
        """Float [row]: the reference point hangs on their mean.

        Args:
            mismatched: float [row], log pi - log ref of each prompt with another row's completion, where asked for.
        """
        ...

    def point_of(self, mean: Tensor) -> Tensor:
        """Float []: the reference point, from the mean of `points`; 0 where none is asked for."""
        ...

    def link(self, rewards: Tensor, point: Tensor, labels: Tensor) -> Tensor:
        """Float [row]: the loss of each row, not weighed by its label.

        Args:
            point: float [], the reference point, without a gradient.
            labels: bool [row].
        """
        ...


@runtime_checkable
class OtherObjective(Protocol):
    """Learns from a kind of rows that stands elsewhere: the kind alone knows what else it has."""

    learns_from: ClassVar[str]
    """The module of its kind, with its package: my_package.my_rows."""
    needs_reference: ClassVar[bool]
    """Whether its loss compares the policy with a frozen reference."""


Objective = CompletionObjective | PairwiseObjective | ScoreObjective | LabelledObjective | OtherObjective
OBJECTIVES = (CompletionObjective, PairwiseObjective, ScoreObjective, LabelledObjective, OtherObjective)


def needs_collisions(objective: Objective) -> bool:
    """Whether an objective looks at `LogProbs.log_collisions`, which cost one pass more over the logits."""
    return isinstance(objective, CollisionObjective) and objective.needs_collisions


def require_reference_point(value: str) -> None:
    """Guards where the reference point comes from."""
    require_choice("objective.reference_point", value, ("batch", "running", "none"))


def require_label_weights(desirable: float | None, undesirable: float | None) -> None:
    """Guards what the labels weigh: null or above 0."""
    for key, value in (("desirable_weight", desirable), ("undesirable_weight", undesirable)):
        if value is not None:
            require_number(f"objective.{key}", value, above=0)


def require_label_smoothing(value: float) -> None:
    """Guards the share of labels taken to be flipped: in [0, 0.5)."""
    require_number("objective.label_smoothing", value, low=0)
    require(value < 0.5, f"label_smoothing must be < 0.5, got {value} (config key objective.label_smoothing)")
