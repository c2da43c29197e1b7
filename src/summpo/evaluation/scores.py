"""Scores of generated summaries: text in, numbers out. Knows no model, no tokenizer and no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from jaxtyping import Float

from summpo.errors import require
from summpo.evaluation.resampling import mean_intervals
from summpo.text import rouge, sentences, words
from summpo.text.rouge import KINDS, rouge_scorer
from summpo.text.words import count_words


@dataclass(frozen=True, slots=True)
class SummaryScores:
    """The scores of one summary. The order of the fields is the order of the metrics."""

    length_tokens: int
    """Tokens of the summary's text in the policy's tokenizer, counted by the caller."""
    length_words: int
    """Words of the summary, by the rule of `summpo.text.words`."""
    compression: float
    """Words of the document / words of the summary. An empty summary counts as one word, so it is always finite."""
    rouge1: float
    """ROUGE F-measures, 0 to 1: words stemmed, the best over the references. 0 for an empty summary."""
    rouge2: float
    rougeL: float
    """ROUGE-L of the text as one sequence of words."""
    rougeLsum: float
    """ROUGE-L sentence by sentence, as papers on CNN/DailyMail report it."""
    ended: bool
    """True where the model wrote EOS by itself, False where the limit on new tokens cut it."""


TEXT_MEASURES = {"words": words.RULE, "sentences": sentences.RULE, "rouge": rouge.RULE}
"""How texts are counted and compared, as evaluation.json says it."""
METRICS = tuple("eval/ended_rate" if field.name == "ended" else f"eval/{field.name}" for field in fields(SummaryScores))
"""The metric names, in the order of `SummaryScores`."""


def score_summary(
    summary: str, references: tuple[str, ...], document: str, length_tokens: int, ended: bool
) -> SummaryScores:
    """Scores one summary against every reference of its document.

    Raises:
        UserError: where there is no reference to score against.
    """
    require(len(references) > 0, f"ROUGE needs at least one reference summary, the document {document[:60]!r} has none")
    found = rouge_scorer(*KINDS).score_multi(references, summary)
    length = count_words(summary)
    return SummaryScores(
        length_tokens=length_tokens,
        length_words=length,
        compression=count_words(document) / max(length, 1),
        ended=ended,
        **{name: float(found[name].fmeasure) for name in KINDS},
    )


def columns_of(scores: Sequence[SummaryScores]) -> dict[str, list[float]]:
    """Every metric's value of each summary, in order.

    Raises:
        UserError: where there is no summary.
    """
    return dict(zip(METRICS, _matrix(scores).T.tolist(), strict=True))


def means_of(columns: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of every metric over the summaries."""
    return {name: float(np.mean(values)) for name, values in columns.items()}


def intervals_of(
    columns: Mapping[str, Sequence[float]], seed: int = 0, resamples: int = 1000
) -> dict[str, tuple[float, float]]:
    """The 95% percentile bootstrap interval of every metric's mean, over documents drawn again."""
    values = np.array(list(columns.values()), dtype=np.float64).T
    return dict(zip(columns, mean_intervals(values, seed, resamples), strict=True))


def aggregate(scores: Sequence[SummaryScores]) -> dict[str, float]:
    """The mean of every metric over the summaries.

    Raises:
        UserError: where there is no summary.
    """
    return means_of(columns_of(scores))


def intervals(scores: Sequence[SummaryScores], seed: int = 0, resamples: int = 1000) -> dict[str, tuple[float, float]]:
    """The 95% percentile bootstrap interval of every mean in `aggregate`, over documents drawn again.

    Raises:
        UserError: where there is no summary.
    """
    return intervals_of(columns_of(scores), seed, resamples)


def difference_intervals(
    scores: Sequence[SummaryScores], base: Sequence[SummaryScores], seed: int = 0, resamples: int = 1000
) -> dict[str, tuple[float, float]]:
    """The 95% bootstrap interval of every mean difference `scores - base` on the same documents in the same order.

    Paired, so what makes one document easier than another for both runs cancels: narrower than two separate intervals.

    Raises:
        UserError: where there is no summary.
        ValueError: where the two differ in number.
    """
    if len(scores) != len(base):
        raise ValueError(f"a paired difference needs the same documents, got {len(scores)} and {len(base)}")
    return dict(zip(METRICS, mean_intervals(_matrix(scores) - _matrix(base), seed, resamples), strict=True))


def _matrix(scores: Sequence[SummaryScores]) -> Float[np.ndarray, "summary metric"]:
    require(len(scores) > 0, "there are no summaries to score: 0 documents were summarised")
    return np.array([astuple(score) for score in scores], dtype=np.float64)
