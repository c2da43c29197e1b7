"""How long the completions are, and how often the longer of two was chosen: by source, by difference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from summpo.inspection.statistics import Tendency, tendency
from summpo.text.encoding import count_tokens
from summpo.text.rows import PairRow
from summpo.text.words import count_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_SOURCE = "(no source)"


@dataclass(frozen=True)
class LongerChosen:
    """Number of pairs whose chosen completion is the longer, the shorter, or as long as the rejected."""

    pairs: int
    longer: int
    shorter: int
    same: int

    @property
    def share(self) -> float:
        """The share of all pairs, ties among them, whose longer completion is the chosen one."""
        return self.longer / self.pairs

    def __add__(self, other: LongerChosen) -> LongerChosen:
        sums = [getattr(self, name) + getattr(other, name) for name in ("pairs", "longer", "shorter", "same")]
        return LongerChosen(*sums)


@dataclass(frozen=True)
class LongerBy:
    """The same pairs counted by tokens and by words."""

    tokens: LongerChosen
    words: LongerChosen

    def __add__(self, other: LongerBy) -> LongerBy:
        return LongerBy(self.tokens + other.tokens, self.words + other.words)


@dataclass(frozen=True)
class CompletionLengths:
    """The lengths of a data set's completions; int64 [pair] each, of the text alone."""

    chosen_tokens: np.ndarray
    rejected_tokens: np.ndarray
    chosen_words: np.ndarray
    rejected_words: np.ndarray


@dataclass(frozen=True)
class Histogram:
    """How many completions have how many tokens: bin i holds edges[i] <= length < edges[i + 1], the last all above."""

    edges: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class Bucket:
    """The pairs whose completions differ by low to high tokens; high is None for no limit."""

    low: int
    high: int | None
    longer: LongerChosen

    @property
    def span(self) -> str:
        """ "1-4", "80+"."""
        return f"{self.low}+" if self.high is None else f"{self.low}-{self.high}"


def lengths_of(pairs: Sequence[PairRow], tokenizer: PreTrainedTokenizerBase) -> CompletionLengths:
    """The lengths of the pairs' completions, without what ends a turn or is put around it."""
    sides = [[pair.chosen for pair in pairs], [pair.rejected for pair in pairs]]
    tokens = [np.array(count_tokens(texts, tokenizer)) for texts in sides]
    words = [np.array([count_words(text) for text in texts]) for texts in sides]
    return CompletionLengths(*tokens, *words)


def longer_chosen(chosen: np.ndarray, rejected: np.ndarray) -> LongerChosen:
    """Counts whose completion is longer, from the lengths of each pair's two, [pair]."""
    longer, shorter = int((chosen > rejected).sum()), int((chosen < rejected).sum())
    return LongerChosen(len(chosen), longer, shorter, len(chosen) - longer - shorter)


def longer_by(lengths: CompletionLengths) -> LongerBy:
    """Counts whose completion is longer, by tokens and by words."""
    return LongerBy(
        longer_chosen(lengths.chosen_tokens, lengths.rejected_tokens),
        longer_chosen(lengths.chosen_words, lengths.rejected_words),
    )


def longer_by_source(rows: Sequence[PairRow], lengths: CompletionLengths) -> dict[str, LongerBy]:
    """The same for each source, that with most pairs first; rows that name none are one source."""
    names = np.array([row.source or NO_SOURCE for row in rows])
    counts = Counter(names.tolist())
    found = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        mine = names == name
        found[name] = longer_by(CompletionLengths(**{side: values[mine] for side, values in vars(lengths).items()}))
    return found


def longer_by_difference(chosen: np.ndarray, rejected: np.ndarray) -> tuple[Bucket, ...]:
    """How often the longer was chosen where the lengths differ by 1-4, 5-9, 10-19, 20-39 tokens and so on, doubling.

    Pairs of equal length are in none; buckets without a pair are left out; the last has no upper limit. There are at
    most six: where differences of more than 160 tokens are common, the first goes further, to 9, 19, 39 ...
    """
    size = np.abs(chosen - rejected)
    first = 5
    while first * 32 <= np.percentile(size, 99):
        first *= 2
    lows = [1, *(first * 2**n for n in range(5) if first * 2**n <= size.max())]
    buckets = []
    for low, after in zip(lows, [*lows[1:], None], strict=True):
        mine = (size >= low) & (size < (math.inf if after is None else after))
        if mine.any():
            high = None if after is None else after - 1
            buckets.append(Bucket(low, high, longer_chosen(chosen[mine], rejected[mine])))
    return tuple(buckets)


def histogram(chosen: np.ndarray, rejected: np.ndarray) -> Histogram:
    """At most 40 bins of equal width from 0 to the 99th percentile of both; what is longer is in one bin above."""
    top = math.ceil(np.percentile(np.concatenate([chosen, rejected]), 99)) + 1
    width = math.ceil(top / 40)
    edges = np.arange(0, top + width, width)
    counts = [
        np.bincount(np.minimum(side // width, len(edges) - 1), minlength=len(edges)) for side in (chosen, rejected)
    ]
    return Histogram(tuple(edges.tolist()), tuple(counts[0].tolist()), tuple(counts[1].tolist()))


def length_tendencies(lengths: CompletionLengths) -> dict[str, Tendency]:
    """How being longer goes with being chosen, in tokens and in words."""
    return {
        "length in tokens": tendency(lengths.chosen_tokens - lengths.rejected_tokens),
        "length in words": tendency(lengths.chosen_words - lengths.rejected_words),
    }
