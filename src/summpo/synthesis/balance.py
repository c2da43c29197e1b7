"""How pairs are balanced: how often the longer summary was chosen, and how often the one that was written first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from summpo.synthesis.records import JudgedPair
from summpo.text.words import count_words


@dataclass(frozen=True)
class Balance:
    """How long the summaries of some pairs are, and how often the longer is chosen; lengths in words."""

    pairs: int
    documents: int
    longer_chosen: float
    """Share of the pairs whose chosen summary has more words than the rejected one."""
    first_chosen: float
    """Share of the pairs whose chosen summary was written first."""
    longer_first: float
    """Share of the pairs whose longer summary was written first: 1 where length and place cannot be told apart."""
    words_chosen: float
    """Median."""
    words_rejected: float
    score_chosen: float
    """Mean."""
    score_rejected: float

    def as_record(self) -> dict[str, Any]:
        """For a manifest."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def balance(pairs: Sequence[JudgedPair]) -> Balance:
    """How these pairs, at least one, are balanced."""
    lengths = [(count_words(pair.chosen), count_words(pair.rejected)) for pair in pairs]
    longer = [chosen > rejected for chosen, rejected in lengths]
    first = [pair.first_is_chosen for pair in pairs]
    at_first = [
        (chosen > rejected) == pair.first_is_chosen and chosen != rejected
        for (chosen, rejected), pair in zip(lengths, pairs, strict=True)
    ]
    return Balance(
        pairs=len(pairs),
        documents=len({pair.document.id for pair in pairs}),
        longer_chosen=fmean(longer),
        first_chosen=fmean(first),
        longer_first=fmean(at_first),
        words_chosen=median(chosen for chosen, _ in lengths),
        words_rejected=median(rejected for _, rejected in lengths),
        score_chosen=fmean(pair.score_chosen for pair in pairs),
        score_rejected=fmean(pair.score_rejected for pair in pairs),
    )
