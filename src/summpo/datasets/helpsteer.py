"""HelpSteer: answers to a prompt, each rated by people in five dimensions, as pairs (arXiv 2311.09528).

Columns prompt, response, helpfulness, correctness, coherence, complexity, verbosity (0 to 4). Published are train and
validation: the validation rows are cut in two halves, by prompt.
"""

from dataclasses import dataclass
from typing import ClassVar

from summpo.datasets import BadRows, Split, halved, require_source, summary_rows
from summpo.datasets.shapes.rated_answers import RATED_SFT_ON, RatedAnswer, RatedSftOn, rated_pairs, rated_summaries
from summpo.datasets.shapes.usable_rows import usable
from summpo.errors import require, require_choice
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow, SummaryRow

DIMENSIONS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


@dataclass(frozen=True, kw_only=True)
class HelpSteer:
    """Every two answers to a prompt whose ratings differ, wherever in the file they stand; ratings become scores."""

    path: str = "nvidia/HelpSteer"
    """Hub id, or folder with train.jsonl and validation.jsonl."""
    dimension: str = "helpfulness"
    """helpfulness, correctness, coherence, complexity or verbosity; overall = the sum of the five."""
    sft_on: RatedSftOn = "chosen"
    """What SFT imitates: chosen = the better answers, both = the worse ones too; rated = every rated answer."""
    seed: int = 0
    """The held-out rows are cut into validation and test, by prompt; another seed cuts elsewhere."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    gives: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected")

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.dimension", self.dimension, (*DIMENSIONS, "overall"))
        require_choice("dataset.sft_on", self.sft_on, RATED_SFT_ON)

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; answers that are empty, not rated or rated outside 0 to 4 are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used; or no two ratings differ.
        """
        pairs = rated_pairs(self._answers(split))
        require(bool(pairs), f"{self.path}: no prompt has two answers of different {self.dimension}")
        return pairs if split == "train" else halved(pairs, split, self.seed)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The answers to imitate of one split.

        Raises:
            UserError: as `pairs`.
        """
        if self.sft_on != "rated":
            return summary_rows(self.pairs(split), self.sft_on)
        rows = rated_summaries(self._answers(split))
        return rows if split == "train" else halved(rows, split, self.seed)

    def _answers(self, split: Split) -> list[RatedAnswer]:
        prompts: dict[str, str] = {}

        def answer(row: SourceRow) -> RatedAnswer:
            prompt, text = row.text("prompt"), row.text("response")
            if not text.strip():
                raise row.left_out("the answer is empty")
            name = prompts.setdefault(prompt, f"prompt-{len(prompts)}")
            return RatedAnswer(name, prompt, text, self._rating(row), None, row.place)

        return usable(self, read_split(self.path, "train" if split == "train" else "validation"), answer)

    def _rating(self, row: SourceRow) -> float:
        dimensions = DIMENSIONS if self.dimension == "overall" else (self.dimension,)
        ratings = [row.optional_number(dimension) for dimension in dimensions]
        known = [rating for rating in ratings if rating is not None]
        if len(known) < len(ratings):
            raise row.left_out(f"no rating of {self.dimension}")
        if not all(0 <= rating <= 4 for rating in known):
            raise row.left_out(f"a rating of {self.dimension} outside 0 to 4")
        return sum(known)
