"""SciTLDR: abstracts of papers with one-sentence summaries by authors and reviewers (Cachola et al. 2020).

Local files have the columns id, title, document, summary (a list); the Hub has source (sentences) and target (a list),
as the files of the paper's authors have.
"""

from dataclasses import dataclass

from summpo.datasets import HALVES, BadRows, Split, assign_splits, require_source, text_id, with_unique_ids
from summpo.datasets.shapes.usable_rows import usable
from summpo.errors import require_choice
from summpo.files.hub_or_folder import has_split, read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import SummaryRow


@dataclass(frozen=True, kw_only=True)
class SciTLDR:
    """One row a paper: the first of its summaries to imitate, all of them as references."""

    path: str = "allenai/scitldr"
    """Hub id, or folder with train.jsonl, validation.jsonl and perhaps test.jsonl."""
    title: bool = False
    """True = the paper's title and an empty line before the abstract. The Hub's rows have no title."""
    seed: int = 0
    """Without a test.jsonl the validation rows are cut into validation and test; another seed cuts elsewhere."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.title", self.title, (True, False))

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The papers of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        is_cut = split != "train" and not has_split(self.path, "test", config="Abstract")
        rows = read_split(self.path, "validation" if is_cut else split, config="Abstract")
        papers = usable(self, rows, lambda row: (abstract(row), self._summary(row)), None if is_cut else self.limit)
        if is_cut:
            # By abstract and not by id: the same abstract is there under two ids.
            split_of = assign_splits((text for text, _ in papers), HALVES, self.seed)
            papers = [(text, paper) for text, paper in papers if split_of[text] == split]
        return with_unique_ids([paper for _, paper in papers])

    def _summary(self, row: SourceRow) -> SummaryRow:
        text = abstract(row)
        document = f"{row.text('title')}\n\n{text}" if self.title and text.strip() else text
        summaries = row.texts("summary" if row.value("target") is None else "target")
        references = tuple(dict.fromkeys(summary for summary in summaries if summary.strip()))
        name = row.optional_id("id") or row.optional_id("paper_id") or text_id(text)
        return SummaryRow(name, document, summaries[0], references, place=row.place)


def abstract(row: SourceRow) -> str:
    """The text to summarise, in either schema."""
    return row.text("document") if row.value("source") is None else row.sentences("source")
