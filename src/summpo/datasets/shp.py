"""Stanford Human Preferences: two comments on one Reddit post, by votes (Ethayarajh et al. 2022, stanfordnlp/SHP).

Columns post_id, history (the post), human_ref_A, human_ref_B, labels (1: A has more votes), score_A, score_B,
score_ratio; domain, "<subreddit>_<split>", gives a pair its source, the subreddit.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from summpo.datasets import SFT_ON, BadRows, SftOn, Split, require_count, require_source, summaries_of_pairs
from summpo.datasets.shapes.usable_rows import train_limit, usable
from summpo.errors import require_choice, require_number
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow

DOMAIN_SPLIT = re.compile("_(train|validation|test)$")


@dataclass(frozen=True, kw_only=True)
class SHP:
    """One pair a row; votes become scores."""

    path: str = "stanfordnlp/SHP"
    """Hub id, or folder with train.jsonl, validation.jsonl and test.jsonl."""
    min_ratio: float = 1.0
    """How many times the votes of the rejected comment the chosen must have; the authors advise 2 and more."""
    per_post: int | None = None
    """Pairs of one post, at most: the first of them; null for all. The authors advise 5."""
    sft_on: SftOn = "chosen"
    """What SFT imitates: chosen = the better answers, both = the worse ones too."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    gives: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected", "source")

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.sft_on", self.sft_on, SFT_ON)
        require_number("dataset.min_ratio", self.min_ratio, low=1)
        require_count("per_post", self.per_post)

    summaries = summaries_of_pairs

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; rows of equal votes, or beyond the ratio or the number, are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used; or no pair has the ratio.
        """
        posts: Counter[str] = Counter()

        def pair(row: SourceRow) -> PairRow:
            """The row's comments, where their votes and their number of a post are within the limits."""
            if ratio_of(row) < self.min_ratio:
                raise row.left_out(f"a ratio below {self.min_ratio:g} (dataset.min_ratio)")
            found = comments(row)
            post = row.optional_id("post_id") or found.document
            posts[post] += 1
            if self.per_post is not None and posts[post] > self.per_post:
                raise row.left_out(f"more than {self.per_post} pairs of a post (dataset.per_post)")
            return found

        return usable(self, read_split(self.path, split), pair, train_limit(self, split))


def ratio_of(row: SourceRow) -> float:
    """The votes of the comment that has more over those of the other; as the row says it, or else by its scores.

    1 where neither is known; infinite where only one has votes. A score below 0 counts as 0.

    Raises:
        UserError: a column is no number.
    """
    given = row.optional_number("score_ratio")
    if given is not None:
        return given
    scores = [row.optional_number("score_A"), row.optional_number("score_B")]
    votes = [max(score, 0.0) for score in scores if score is not None]
    if len(votes) < 2 or max(votes) == min(votes):
        return 1.0
    return max(votes) / min(votes) if min(votes) > 0 else math.inf


def comments(row: SourceRow) -> PairRow:
    """The two comments of a row.

    Raises:
        LeftOut: the two have the same number of votes.
        RowFault: a column is missing, or the label is not 0 or 1.
    """
    better, worse = ("A", "B") if row.choice("labels") == 1 else ("B", "A")
    scores = [row.optional_number(f"score_{side}") for side in (better, worse)]
    if scores[0] is not None and scores[0] == scores[1]:
        raise row.left_out("both comments have the same number of votes")
    domain = row.optional_text("domain")
    return PairRow(
        id=f"{row.optional_id('post_id') or 'row'}#{row.number}",
        document=row.text("history"),
        chosen=row.text(f"human_ref_{better}"),
        rejected=row.text(f"human_ref_{worse}"),
        score_chosen=scores[0],
        score_rejected=scores[1],
        source=None if domain is None else DOMAIN_SPLIT.sub("", domain),
        place=row.place,
    )
