"""CNN / Daily Mail: news articles with their highlights (Hermann et al. 2015, See et al. 2017).

Columns id, article, highlights.
"""

from dataclasses import dataclass

from summpo.datasets import BadRows, Split, require_source
from summpo.datasets.shapes.usable_rows import article_rows
from summpo.files.hub_or_folder import read_split
from summpo.text.rows import SummaryRow


@dataclass(frozen=True, kw_only=True)
class CNNDailyMail:
    """One row an article."""

    path: str = "abisee/cnn_dailymail"
    """Hub id, or folder with train.jsonl, validation.jsonl and test.jsonl; columns id, article, highlights."""
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
        return article_rows(self, read_split(self.path, split, config="3.0.0"), "article", "highlights")
