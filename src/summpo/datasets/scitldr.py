"""SciTLDR: abstracts of papers with one-sentence summaries by authors and reviewers (Cachola et al. 2020).

Local files have the columns id, title, document, summary (a list); the Hub has source (sentences) and target (a list),
as the files of the paper's authors have.
"""

from dataclasses import dataclass
from pathlib import Path

from summpo.data_sources import read_split
from summpo.datasets import HALVES, Split, deal, require_source, text_id, unique_ids
from summpo.errors import require_choice
from summpo.jsonl_files import SourceRow
from summpo.rows import SummaryRow


@dataclass(frozen=True, kw_only=True)
class SciTLDR:
    """One row a paper: the first of its summaries to imitate, all of them as references."""

    path: str = "allenai/scitldr"
    """Hub id, or folder with train.jsonl, validation.jsonl and perhaps test.jsonl."""
    title: bool = False
    """Put the paper's title, and an empty line, before the document."""
    seed: int = 0
    """Where there is no test.jsonl: decides which papers of validation.jsonl are validation and which test."""
    limit: int | None = None
    """Rows a split, at most."""

    def __post_init__(self) -> None:
        require_source(self.path, self.limit, self.seed)
        require_choice("dataset.title", self.title, (True, False))

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The papers of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        folder = Path(self.path).expanduser()
        halved = split != "train" and folder.is_dir() and not (folder / "test.jsonl").exists()
        rows = read_split(self.path, "validation" if halved else split, config="Abstract")
        if halved:
            # By abstract and not by id: the same abstract is there under two ids.
            split_of = deal(map(abstract, rows), HALVES, self.seed)
            rows = [row for row in rows if split_of[abstract(row)] == split]
        ids = unique_ids(row.optional_id("id") or row.optional_id("paper_id") or text_id(abstract(row)) for row in rows)
        return [self._summary(row, name) for row, name in zip(rows, ids, strict=True)]

    def _summary(self, row: SourceRow, name: str) -> SummaryRow:
        document = f"{row.filled_text('title')}\n\n{abstract(row)}" if self.title else abstract(row)
        summaries = row.texts("summary" if row.value("target") is None else "target")
        references = tuple(dict.fromkeys(summary for summary in summaries if summary.strip()))
        return SummaryRow(name, document, summaries[0], references, place=row.place)


def abstract(row: SourceRow) -> str:
    """The text to summarise, in either schema."""
    return row.filled_text("document") if row.value("source") is None else " ".join(row.texts("source"))
