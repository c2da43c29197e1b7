"""XSum: news articles of the BBC with one-sentence summaries (Narayan et al. 2018, arXiv 1808.08745).

Columns id, document, summary.
"""

from dataclasses import dataclass

from summpo.datasets import BadRows, Split, require_source
from summpo.datasets.shapes.usable_rows import article_rows
from summpo.files.hub_or_folder import read_split
from summpo.text.rows import SummaryRow


@dataclass(frozen=True, kw_only=True)
class XSum:
    """One row an article."""

    path: str = "EdinburghNLP/xsum"
    """Hub id, or folder with train.jsonl, validation.jsonl and test.jsonl; columns id, document, summary."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    def __post_init__(self) -> None:
        require_source(self)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The articles of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        return article_rows(self, read_split(self.path, split), "document", "summary")
