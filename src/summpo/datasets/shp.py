"""Stanford Human Preferences: two comments on one Reddit post, by votes (Ethayarajh et al. 2022, stanfordnlp/SHP).

Columns post_id, history (the post), human_ref_A, human_ref_B, labels (1: A has more votes), score_A, score_B,
score_ratio; domain, "<subreddit>_<split>", gives a pair its source, the subreddit.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from summpo.data_sources import read_split
from summpo.datasets import Split, chosen_summaries, require_count, require_source
from summpo.errors import require, require_number
from summpo.jsonl_files import SourceRow
from summpo.rows import PairRow

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
    limit: int | None = None
    """Rows a split, at most."""

    gives: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected", "source")

    def __post_init__(self) -> None:
        require_source(self.path, self.limit)
        require_number("dataset.min_ratio", self.min_ratio, low=1)
        require_count("per_post", self.per_post)

    summaries = chosen_summaries

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used; or no pair has the ratio.
        """
        rows = read_split(self.path, split)
        far_apart = [row for row in rows if ratio_of(row) >= self.min_ratio]
        require(bool(far_apart), f"{self.path} has no pair of a ratio of {self.min_ratio:g} (dataset.min_ratio)")
        posts: Counter[str] = Counter()
        kept = []
        for row in far_apart:
            post = row.optional_id("post_id") or row.filled_text("history")
            posts[post] += 1
            if self.per_post is None or posts[post] <= self.per_post:
                kept.append(comments(row))
        return kept


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
        UserError: a column is missing, or the label is not 0 or 1.
    """
    label = row.value("labels")
    if type(label) is not int or label not in (0, 1):
        raise row.fault(f"column labels must be 0 or 1, got {label!r:.60}")
    better, worse = ("A", "B") if label == 1 else ("B", "A")
    domain = row.optional_text("domain")
    return PairRow(
        id=f"{row.optional_id('post_id') or 'row'}#{row.number}",
        document=row.filled_text("history"),
        chosen=row.text(f"human_ref_{better}"),
        rejected=row.text(f"human_ref_{worse}"),
        score_chosen=row.optional_number(f"score_{better}"),
        score_rejected=row.optional_number(f"score_{worse}"),
        source=None if domain is None else DOMAIN_SPLIT.sub("", domain),
    )
