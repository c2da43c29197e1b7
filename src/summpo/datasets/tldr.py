"""TL;DR: Reddit posts with their authors' own summaries (Voelske et al. 2017, as filtered by Stiennon et al. 2020).

Columns prompt and label, or prompt and completion; the prompt is ready, down to "TL;DR:".
"""

from dataclasses import dataclass

from summpo.datasets import BadRows, Split, require_source
from summpo.datasets.shapes.usable_rows import usable
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import SummaryRow


@dataclass(frozen=True, kw_only=True)
class TLDR:
    """One row a post."""

    path: str = "CarperAI/openai_summarize_tldr"
    """Hub id, or folder with train.jsonl, validation.jsonl and test.jsonl; columns prompt and label."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    def __post_init__(self) -> None:
        require_source(self)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The posts of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        name = "valid" if split == "validation" and self.path.startswith("CarperAI/") else split
        return usable(self, read_split(self.path, name), post, self.limit)


def post(row: SourceRow) -> SummaryRow:
    """A row with its ready prompt.

    Raises:
        RowFault: a column is missing or no text.
    """
    prompt = row.text("prompt")
    summary = row.text("completion" if row.value("label") is None else "label").strip()
    return SummaryRow(f"row-{row.number}", prompt, summary, (summary,), prompt=prompt, place=row.place)
