"""What an answer is taken apart into: labelled parts, and the reasons why an answer is not taken."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

CRITERIA = MappingProxyType({"coherence": (1, 5), "consistency": (1, 5), "relevance": (1, 5), "fluency": (1, 3)})
"""What a summary is judged by, with the lowest and the highest mark."""
TOTAL = (4, 18)
"""The lowest and the highest sum of the marks."""

REASONS = (
    "empty_answer",
    "truncated",
    "content_filter",
    "refusal",
    "broken_json",
    "missing_part",
    "repeated_part",
    "unexpected_part",
    "empty_summary",
    "placeholder",
    "no_numbers",
    "score_out_of_range",
    "total_not_the_sum",
    "best_not_1_or_2",
    "best_contradicts_scores",
)
"""Why an answer is not taken.

- empty_answer: it has no text, or none but thoughts. truncated: it was cut off at max_tokens, or within a thought.
  content_filter: the endpoint withheld it. refusal: the model refuses, or it is an excuse. broken_json: it has the keys
  of JSON, is none, and has no labels either.
- missing_part: a summary, a score or the best. repeated_part: one of them twice, and not the same. unexpected_part: a
  third summary.
- empty_summary: a label and nothing under it. placeholder: the prompt's own [the first summary].
- no_numbers: a score that is not a number. score_out_of_range: a mark or a total beyond its range, or out of another
  number than its range's end. total_not_the_sum: of the four marks, where all are there.
- best_not_1_or_2: both, neither, a third, prose. best_contradicts_scores: the best has the lower total.
"""

Kind = Literal["summary", "score", "criterion", "explanation", "best", "aside", "close"]


@dataclass(frozen=True)
class Part:
    """A label and what stands under it."""

    kind: Kind
    number: int | None
    """Of the summary that it is about, where the label says so."""
    text: str
    name: str = ""
    """Which criterion."""


class Unreadable(Exception):
    """Ends the reading of an answer: one of `REASONS`, and what exactly for a reader."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REASONS
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail
