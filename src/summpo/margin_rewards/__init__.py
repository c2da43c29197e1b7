"""Margin rewards: outside rewards of a completion that are weighed against human preference.

One frozen dataclass a file, one yaml in conf/margin_reward beside it. A margin reward sees text and gives one number a
completion, the higher the better; it never sees w, beta, the objective or the policy. It is computed once a data set.
What a unit of it is worth, and whether it is scaled or clipped first, is said beside it (`summpo.margins`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from summpo.errors import UserError

UNITS = ("tokens", "words", "characters")


class MissingColumn(UserError):
    """The completions lack what a margin reward needs."""


@dataclass(frozen=True)
class Completions:
    """What a margin reward may look at: one entry a completion in every field; pairs as chosen and rejected in turn."""

    documents: Sequence[str]
    texts: Sequence[str]
    count_tokens: Callable[[Sequence[str]], list[int]]
    """Tokens of each text alone: no special tokens, no EOS."""
    ids: Sequence[str] = ()
    """The rows' names, for sentences about them."""
    references: Sequence[tuple[str, ...]] = ()
    """Reference summaries of each document, as many as there are."""
    scores: Sequence[float | None] = ()
    """The columns score_chosen and score_rejected."""

    def lengths(self, unit: str) -> list[int]:
        """Each text's tokens, words (separated by white space) or characters."""
        if unit == "tokens":
            return self.count_tokens(self.texts)
        return [len(text.split()) if unit == "words" else len(text) for text in self.texts]

    def needed_references(self, reward: str) -> Sequence[tuple[str, ...]]:
        """The references, at least one a document.

        Raises:
            MissingColumn: a document has none; names its row and the reward that asks.
        """
        for index in range(len(self.texts)):
            if index >= len(self.references) or not self.references[index]:
                raise MissingColumn(f"{self._row(index)}has no reference, which margin_reward={reward} compares with")
        return self.references

    def needed_scores(self, reward: str) -> list[float]:
        """The scores.

        Raises:
            MissingColumn: a completion has none; names its row and the reward that asks.
        """
        given = []
        for index in range(len(self.texts)):
            score = self.scores[index] if index < len(self.scores) else None
            if score is None:
                columns = "score_chosen and score_rejected"
                raise MissingColumn(f"{self._row(index)}lacks {columns}, which margin_reward={reward} reads")
            given.append(score)
        return given

    def _row(self, index: int) -> str:
        return f"row {self.ids[index]} " if index < len(self.ids) else "the data "


@runtime_checkable
class MarginReward(Protocol):
    """Config target of the group margin_reward."""

    def rewards(self, completions: Completions) -> list[float]:
        """The reward of each completion.

        Raises:
            UserError: the completions lack what the reward needs.
        """
        ...
