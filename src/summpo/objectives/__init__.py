"""Objectives: what is minimised. One frozen dataclass a file, one yaml in conf/objective beside it.

A pairwise objective says what a completion is worth (`reward`) and how a difference becomes a loss (`link`); the margin
and w0 come between them (`summpo.losses.margin_logit`). SFT learns from single completions and has no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import LogProbs


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
    needs_reference: ClassVar[bool]

    @property
    def w0(self) -> float:
        """What the logit is divided by: the weight of the human preference beside the margin rewards' weights."""
        ...

    def reward(self, policy: LogProbs, reference: LogProbs | None) -> Tensor:
        """Float [sequence]: what the policy's log-probs say that each completion is worth."""
        ...

    def link(self, logit: Tensor) -> Tensor:
        """Float [pair] to float [pair]: from how strongly the chosen completion is preferred to the loss."""
        ...
