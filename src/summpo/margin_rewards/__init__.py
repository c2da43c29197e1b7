"""Margin rewards: outside rewards of a completion that are weighed against human preference.

One frozen dataclass a file, one yaml in conf/margin_reward beside it. A margin reward sees text and gives one number a
completion, the higher the better; it never sees w, beta, the objective or the policy. It is computed once a data set.
What a unit of it is worth, and whether it is scaled or clipped first, is said beside it (`margin_rewards.margins`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from summpo.errors import UserError
from summpo.text.rows import TextRow
from summpo.text.words import count_words

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
    prompts: Sequence[str | None] = ()
    """Ready prompts, for the rows that have one."""
    log_ratios: Callable[[str], Sequence[float]] | None = None
    """The adapter in a folder to log pi / log ref of each completion, summed over its tokens: nats by which the adapter
    makes it likelier than its base does. None where the run's base is not at hand."""
    device: str = "cpu"
    """Where a reward's own model computes: cpu or cuda."""

    def lengths(self, unit: str) -> list[int]:
        """Each text's tokens, words (`summpo.text.words`) or characters."""
        if unit == "tokens":
            return self.count_tokens(self.texts)
        return [count_words(text) if unit == "words" else len(text) for text in self.texts]

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

    def needed_log_ratios(self, adapter: str, reward: str) -> Sequence[float]:
        """The log-ratios under an adapter.

        Raises:
            MissingColumn: there is no base at hand; names the reward that asks.
        """
        if self.log_ratios is None:
            raise MissingColumn(f"there is no base model at hand, which margin_reward={reward} puts its adapter on")
        return self.log_ratios(adapter)

    def _row(self, index: int) -> str:
        return f"row {self.ids[index]} " if index < len(self.ids) else "the data "


@runtime_checkable
class MarginReward(Protocol):
    """Config target of the group margin_reward, under any name: its guards name its fields, and `build` the rest.

    It may say in words what less and more of it comes to, as `less_and_more` of `Length` does.
    """

    def rewards(self, completions: Completions) -> list[float]:
        """The reward of each completion.

        Raises:
            UserError: the completions lack what the reward needs.
        """
        ...


@runtime_checkable
class ColumnReward(Protocol):
    """A margin reward that reads columns of the data beside the texts, beside what `MarginReward` asks."""

    needs: ClassVar[tuple[str, ...]]
    """Fields of `PairRow` without which it has nothing to say."""

    def check_columns(self, completions: Completions) -> None:
        """Before a model is looked for: what it reads is there.

        Args:
            completions: as `columns_of` makes them, which count no tokens.

        Raises:
            MissingColumn: a completion lacks it.
            UserError: it is there and cannot be used.
        """
        ...


def completions_of(rows: Sequence[TextRow]) -> Completions:
    """The completions of rows, those of each in turn; no token is counted."""
    each = [row for row in rows for _ in row.completions]
    return Completions(
        documents=[row.document for row in each],
        texts=[text for row in rows for text in row.completions.values()],
        count_tokens=lambda texts: [],
        ids=[row.id for row in each],
        references=[row.references for row in each],
        scores=[score for row in rows for score in row.scores],
        prompts=[row.prompt for row in each],
    )


def columns_of(rows: Sequence[TextRow]) -> Completions:
    """What rows say beside their texts; those that no limit keeps, equal or with a blank side, are left out."""

    def is_usable(texts: Sequence[str]) -> bool:
        return len(set(texts)) == len(texts) and all(map(str.strip, texts))

    return completions_of([row for row in rows if is_usable(list(row.completions.values()))])


@runtime_checkable
class ModelReward(Protocol):
    """A margin reward that computes with weights of its own, beside what `MarginReward` asks."""

    incidental: ClassVar[tuple[str, ...]]
    """Fields that change no reward, given the fingerprint: where the weights lie, how many go in a batch."""

    def check(self, key: str) -> None:
        """At the door, before anything is loaded: what it names on this disk is there and fits.

        Raises:
            UserError: naming the path, what is wrong with it, and the config key under `key`.
        """
        ...

    def fingerprint(self, cache_dir: Path | None) -> str:
        """What its weights are, as hex: with other weights the column is another. Fetches a Hub id first.

        Args:
            cache_dir: where the fingerprints of big files are remembered; None for nowhere.
        """
        ...


@runtime_checkable
class AdapterReward(ModelReward, Protocol):
    """A margin reward that asks for `Completions.log_ratios`: its column depends on the run's base and tokens too."""

    adapter: str
    """A PEFT folder, trained on the run's base."""
