"""UltraFeedback: four answers to an instruction, rated by GPT-4 in four dimensions (arXiv 2310.01377).

Columns instruction, completions: a list of {response, annotations: {<dimension>: {Rating: "1" to "5" or "N/A"}},
overall_score}, source (where the instruction is from). Published is train alone; no instruction is in two splits.

The first release has some 2,000 answers whose overall_score of 10 was a 1 (OpenBMB/UltraFeedback, issue 8). Its authors
kept a 10 where the mean of the other ratings is above 4, took one of a mean up to 2 for a 1, and asked again between.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from summpo.datasets import BadRows, Split, assign_splits, require_source, summary_rows
from summpo.datasets.shapes.rated_answers import RATED_SFT_ON, RatedAnswer, RatedSftOn, rated_pairs, rated_summaries
from summpo.datasets.shapes.usable_rows import usable
from summpo.errors import require, require_choice
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import RowFault, SourceRow, SourceRows
from summpo.text.rows import PairRow, SummaryRow

RATED = ("instruction_following", "honesty", "truthfulness", "helpfulness")
SHARES: dict[Split, float] = {"validation": 0.02, "test": 0.02, "train": 0.96}
LOW, HIGH = 2, 4
"""Mean ratings (of 1 to 5): an overall_score of 10 was a 1 up to the first, and is one above the second."""


@dataclass(frozen=True, kw_only=True)
class UltraFeedback:
    """Every two answers to an instruction whose ratings differ; ratings become scores."""

    path: str = "openbmb/UltraFeedback"
    """Hub id, or folder with train.jsonl."""
    dimension: str = "overall"
    """overall, instruction_following, honesty, truthfulness or helpfulness."""
    sft_on: RatedSftOn = "chosen"
    """What SFT imitates: chosen = the better answers, both = the worse ones too; rated = every rated answer."""
    seed: int = 0
    """The held-out rows are cut into validation and test, by prompt; another seed cuts elsewhere."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    gives: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected", "source")

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.dimension", self.dimension, ("overall", *RATED))
        require_choice("dataset.sft_on", self.sft_on, RATED_SFT_ON)

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; answers that are empty, not rated or rated wrong are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        return rated_pairs(self._answers(split))

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The answers to imitate of one split.

        Raises:
            UserError: as `pairs`.
        """
        answers = self._answers(split)
        return rated_summaries(answers) if self.sft_on == "rated" else summary_rows(rated_pairs(answers), self.sft_on)

    def _answers(self, split: Split) -> list[RatedAnswer]:
        answers = usable(self, completions(read_split(self.path, "train")), self._answer)
        split_of = assign_splits((answer.document for answer in answers), SHARES, self.seed)
        mine = [answer for answer in answers if split_of[answer.document] == split]
        require(bool(mine), f"{self.path} has too few instructions to leave one for {split}")
        return mine

    def _answer(self, row: SourceRow) -> RatedAnswer:
        text, rating = row.text("response"), self._rating(row)
        if rating is None:
            raise row.left_out(f"no rating of {self.dimension}")
        if not text.strip():
            raise row.left_out("the answer is empty")
        source = row.optional_text("source")
        return RatedAnswer(f"row-{row.number}", row.text("instruction"), text, rating, source, row.place)

    def _rating(self, row: SourceRow) -> float | None:
        if self.dimension != "overall":
            return rating_of(row, f"annotations.{self.dimension}.Rating", 5)
        overall = rating_of(row, "overall_score", 10)
        if overall == 10:
            mean = mean_rating(row)
            if mean is None or mean <= HIGH:
                was_1 = mean is not None and mean <= LOW
                raise row.left_out(
                    f"an overall_score of 10 that {'was' if was_1 else 'may have been'} a 1, by its ratings"
                )
        return overall


def completions(rows: SourceRows) -> SourceRows:
    """Each answer as a row of its own, with the instruction and the source beside it."""
    for row in rows:
        if isinstance(row, RowFault):
            yield row
            continue
        found = row.value("completions")
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            yield row.fault(f"column completions must be a list of answers, got {found!r:.60}")
            continue
        for place, each in enumerate(found):
            beside = {"instruction": row.value("instruction"), "source": row.value("source")}
            yield SourceRow(f"{row.place}, completion {place}", row.number, {**each, **beside})


def mean_rating(row: SourceRow) -> float | None:
    """The mean of an answer's ratings in the four dimensions that it has; None where it has none.

    Raises:
        RowFault: one of them is neither a number nor N/A.
    """
    ratings = [rating_of(row, f"annotations.{dimension}.Rating", 5) for dimension in RATED]
    known = [rating for rating in ratings if rating is not None]
    return statistics.fmean(known) if known else rating_of(row, "fine-grained_score", 5)


def rating_of(row: SourceRow, column: str, best: int) -> float | None:
    """A rating of 1 to `best`, which may be spelt; None where there is none.

    Raises:
        LeftOut: it is outside these.
        RowFault: it is neither a number nor N/A.
    """
    rating = row.value(column)
    if rating is None or str(rating).strip().lower() in ("n/a", "nan", ""):
        return None
    try:
        number = float(rating)
    except (TypeError, ValueError):
        raise row.fault(f"column {column} must be a number or N/A, got {rating!r:.60}") from None
    if not 1 <= number <= best:
        raise row.left_out(f"a rating outside 1 to {best} in column {column}")
    return number
