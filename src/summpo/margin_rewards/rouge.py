"""ROUGE against the reference summaries, where the data has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from summpo.errors import require_choice
from summpo.margin_rewards import Completions
from summpo.text.rouge import KINDS, rouge_scorer


@dataclass(frozen=True)
class Rouge:
    """F-measure, 0 to 1, with stemming, against the document's references: the best of them."""

    type: str = "rouge1"
    """rouge1, rouge2, rougeL or rougeLsum: rougeL takes a text as one sequence, rougeLsum sentence by sentence."""

    needs: ClassVar[tuple[str, ...]] = ("references",)

    def __post_init__(self) -> None:
        require_choice("type", self.type, KINDS)

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's ROUGE.

        Raises:
            MissingColumn: a document has no reference.
        """
        references = completions.needed_references("rouge")
        scorer = rouge_scorer(self.type)
        return [
            float(max(scorer.score(reference, text)[self.type].fmeasure for reference in given))
            for text, given in zip(completions.texts, references, strict=True)
        ]

    def check_columns(self, completions: Completions) -> None:
        """Every document has a reference."""
        completions.needed_references("rouge")
