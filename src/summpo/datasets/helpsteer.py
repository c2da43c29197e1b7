"""HelpSteer: answers to a prompt, each rated by people in five dimensions, as pairs (arXiv 2311.09528).

Columns prompt, response, helpfulness, correctness, coherence, complexity, verbosity (0 to 4). Published are train and
validation: the validation rows are cut in two halves, by prompt.
"""

from dataclasses import dataclass
from typing import ClassVar

from summpo.data_sources import read_split
from summpo.datasets import Split, chosen_summaries, halved, left_out, rated_pairs, require_source
from summpo.errors import require, require_choice
from summpo.rows import PairRow

DIMENSIONS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


@dataclass(frozen=True, kw_only=True)
class HelpSteer:
    """Every two answers to a prompt whose ratings differ, wherever in the file they stand; ratings become scores."""

    path: str = "nvidia/HelpSteer"
    """Hub id, or folder with train.jsonl and validation.jsonl."""
    dimension: str = "helpfulness"
    """helpfulness, correctness, coherence, complexity or verbosity."""
    seed: int = 0
    """Decides which documents are validation and which test."""
    limit: int | None = None
    """Rows a split, at most."""

    gives: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected")

    def __post_init__(self) -> None:
        require_source(self.path, self.limit, self.seed)
        require_choice("dataset.dimension", self.dimension, DIMENSIONS)

    summaries = chosen_summaries

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; answers that are not rated are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used; or no two ratings differ.
        """
        rows = read_split(self.path, "train" if split == "train" else "validation")
        answers: dict[str, list[tuple[str, float]]] = {}
        rated_rows = [(row, rating) for row in rows if (rating := row.optional_number(self.dimension)) is not None]
        left_out(self.path, len(rows) - len(rated_rows), len(rows), f"no rating of {self.dimension}")
        for row, rating in rated_rows:
            answers.setdefault(row.filled_text("prompt"), []).append((row.text("response"), rating))
        pairs = [
            pair
            for number, (prompt, rated) in enumerate(answers.items())
            for pair in rated_pairs(f"prompt-{number}", prompt, rated)
        ]
        require(bool(pairs), f"{self.path}: no prompt has two answers of different {self.dimension}")
        return pairs if split == "train" else halved(pairs, split, self.seed)
