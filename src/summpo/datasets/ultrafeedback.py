"""UltraFeedback: four answers to an instruction, rated by GPT-4 in four dimensions (arXiv 2310.01377).

Columns instruction, completions: a list of {response, annotations: {<dimension>: {Rating: "1" to "5" or "N/A"}},
overall_score}, source (where the instruction is from). Published is train alone; no instruction is in two splits.
"""

from dataclasses import dataclass
from typing import ClassVar

from summpo.data_sources import read_split
from summpo.datasets import Split, chosen_summaries, deal, left_out, rated_pairs, require_source
from summpo.errors import require, require_choice
from summpo.jsonl_files import SourceRow
from summpo.rows import PairRow

RATED = ("instruction_following", "honesty", "truthfulness", "helpfulness")
SHARES: dict[Split, float] = {"validation": 0.02, "test": 0.02, "train": 0.96}


@dataclass(frozen=True, kw_only=True)
class UltraFeedback:
    """Every two answers to an instruction whose ratings differ; ratings become scores."""

    path: str = "openbmb/UltraFeedback"
    """Hub id, or folder with train.jsonl."""
    dimension: str = "overall"
    """overall, instruction_following, honesty, truthfulness or helpfulness."""
    seed: int = 0
    """Decides which documents are validation and which test."""
    limit: int | None = None
    """Rows a split, at most."""

    gives: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected", "source")

    def __post_init__(self) -> None:
        require_source(self.path, self.limit, self.seed)
        require_choice("dataset.dimension", self.dimension, ("overall", *RATED))

    summaries = chosen_summaries

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; answers that are not rated are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        rows = read_split(self.path, "train")
        instructions = [row.filled_text("instruction") for row in rows]
        split_of = deal(instructions, SHARES, self.seed)
        mine = [both for both in zip(rows, instructions, strict=True) if split_of[both[1]] == split]
        require(bool(mine), f"{self.path} has too few instructions to leave one for {split}")
        pairs: list[PairRow] = []
        rated = answers = 0
        for row, instruction in mine:
            ratings = self._ratings(row)
            answers += len(ratings)
            known = [(text, rating) for text, rating in ratings if rating is not None]
            rated += len(known)
            pairs += rated_pairs(f"row-{row.number}", instruction, known, row.optional_text("source"))
        left_out(self.path, answers - rated, answers, f"no rating of {self.dimension}")
        return pairs

    def _ratings(self, row: SourceRow) -> list[tuple[str, float | None]]:
        completions = row.value("completions")
        if not isinstance(completions, list):
            raise row.fault(f"column completions must be a list of answers, got {completions!r:.60}")
        places = range(len(completions))
        return [(row.text(f"completions.{place}.response"), self._rating(row, place)) for place in places]

    def _rating(self, row: SourceRow, place: int) -> float | None:
        if self.dimension == "overall":
            return row.optional_number(f"completions.{place}.overall_score")
        column = f"completions.{place}.annotations.{self.dimension}.Rating"
        rating = row.value(column)
        if rating is None or str(rating).strip().lower() in ("n/a", "nan"):
            return None
        try:
            return float(rating)
        except (TypeError, ValueError):
            raise row.fault(f"column {column} must be a number or N/A, got {rating!r:.60}") from None
