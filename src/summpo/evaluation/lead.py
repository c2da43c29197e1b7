"""Lead: a document's first words as its summary. The baseline that costs nothing, at the length of any run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from summpo.evaluation.scores import SummaryScores, score_summary
from summpo.text.words import count_words, split_words

if TYPE_CHECKING:
    from summpo.evaluation.sample_lines import Sample


def lead(document: str, words: int) -> str:
    """The first words of a document, as `summpo.text.words` counts them; all of it where it has no more."""
    return " ".join(split_words(document)[:words])


def lead_scores(samples: Sequence[Sample]) -> list[SummaryScores]:
    """The scores of each document's lead that has as many words as its summary.

    Returns:
        In the order of the samples; none where one of them has no reference to score against.
    """
    if not all(sample.references for sample in samples):
        return []
    return [
        score_summary(lead(one.document, count_words(one.summary)), one.references, one.document, 0, True)
        for one in samples
    ]
