"""Margin rewards: outside rewards of a completion that MODPO weighs against human preference.

One frozen dataclass a file, one yaml in conf/margin_reward beside it. A margin reward sees text and gives one number a
completion, the higher the better; it never sees w, beta, the objective or the policy. It is computed once a data set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Completions:
    """What a margin reward may look at: one entry a completion in every field."""

    documents: Sequence[str]
    texts: Sequence[str]
    count_tokens: Callable[[Sequence[str]], list[int]]
    """Tokens of each text alone: no special tokens, no EOS."""


@runtime_checkable
class MarginReward(Protocol):
    """Config target of the group margin_reward."""

    def rewards(self, completions: Completions) -> list[float]:
        """The reward of each completion.

        Raises:
            UserError: the completions lack what the reward needs.
        """
        ...
