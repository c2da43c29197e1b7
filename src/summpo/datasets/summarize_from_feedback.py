"""OpenAI's human comparisons of two summaries (Stiennon et al. 2020, arXiv 2009.01325), schema `comparisons`.

Posts of Reddit (column info.post) and, in the validation file, articles of CNN and Daily Mail (info.article, no post).
Only train and validation are published: the validation rows are cut in two halves, so that no post is in both.
"""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from summpo.datasets import (
    HALVES,
    SFT_ON,
    BadRows,
    SftOn,
    Split,
    assign_splits,
    require_source,
    summaries_of_pairs,
    text_id,
)
from summpo.datasets.shapes.usable_rows import train_limit, usable
from summpo.errors import require_choice
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow


@dataclass(frozen=True, kw_only=True)
class SummarizeFromFeedback:
    """One pair a human comparison; a `PairRow.id` is "<post id>#<number of the row in its source>"."""

    path: str = "openai/summarize_from_feedback"
    """Hub id, or folder with train.jsonl and validation.jsonl in the same columns."""
    majority: bool = False
    """Where annotators contradict each other on two summaries of a document, keep their majority's verdict as one row
    and drop ties; False = one row a verdict."""
    sft_on: SftOn = "chosen"
    """What SFT imitates: chosen = the better summaries, both = the worse ones too."""
    seed: int = 0
    """The published validation rows are cut into validation and test, by post; another seed cuts elsewhere."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    gives: ClassVar[tuple[str, ...]] = ("source",)

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.majority", self.majority, (True, False))
        require_choice("dataset.sft_on", self.sft_on, SFT_ON)

    summaries = summaries_of_pairs

    def pairs(self, split: Split) -> list[PairRow]:
        """The comparisons of one split, in the order of the source.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        source = "train" if split == "train" else "validation"
        rows = read_split(self.path, source, config="comparisons")
        pairs = usable(self, rows, comparison, None if self.majority else train_limit(self, split))
        if split != "train":
            pairs = half(pairs, split, self.seed)
        return majority_verdicts(pairs) if self.majority else pairs


def comparison(row: SourceRow) -> PairRow:
    """One row of the `comparisons` schema; title, subreddit, site and ids may be null.

    The pair's source is the subreddit of a post, the site of an article.

    Raises:
        RowFault: post and article are both missing; not two summaries; a choice that is not 0 or 1.
    """
    texts = [text for column in ("info.post", "info.article") if (text := row.optional_text(column)) is not None]
    if not texts:
        raise row.fault("columns info.post and info.article are both missing or null")
    document = next(filter(str.strip, texts), "")
    summaries, choice = row.value("summaries"), row.choice("choice")
    if not isinstance(summaries, list) or len(summaries) != 2:
        raise row.fault(f"column summaries must be a list of two, got {summaries!r:.60}")
    return PairRow(
        id=f"{row.optional_id('info.id') or text_id(document)}#{row.number}",
        document=document,
        chosen=row.text(f"summaries.{choice}.text"),
        rejected=row.text(f"summaries.{1 - choice}.text"),
        source=row.optional_text("info.subreddit") or row.optional_text("info.site"),
        place=row.place,
    )


def half(pairs: list[PairRow], split: Split, seed: int) -> list[PairRow]:
    """The pairs whose post falls into `split`, "validation" or "test"."""
    first_id: dict[str, str] = {}  # a post that is listed under two ids stays on the side of its first
    posts = [first_id.setdefault(pair.document, pair.id.rpartition("#")[0]) for pair in pairs]
    split_of = assign_splits(posts, HALVES, seed)
    return [pair for pair, post in zip(pairs, posts, strict=True) if split_of[post] == split]


def majority_verdicts(pairs: list[PairRow]) -> list[PairRow]:
    """One row for each document and two summaries: the first with the verdict that most annotators gave; no ties."""
    votes = Counter((pair.document, pair.chosen, pair.rejected) for pair in pairs)
    kept: dict[tuple[str, str, str], PairRow] = {}
    for pair in pairs:
        same, opposite = (pair.document, pair.chosen, pair.rejected), (pair.document, pair.rejected, pair.chosen)
        if votes[same] > votes[opposite] or same == opposite:
            kept.setdefault(same, pair)
    return list(kept.values())
