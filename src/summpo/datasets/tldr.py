"""TL;DR: Reddit posts with their authors' own summaries (Voelske et al. 2017, as filtered by Stiennon et al. 2020).

Columns prompt and label, or prompt and completion; the prompt is ready, down to "TL;DR:".
"""

from dataclasses import dataclass
from pathlib import Path

from summpo.data_sources import read_split, split_files
from summpo.datasets import Split, require_source
from summpo.rows import SummaryRow


@dataclass(frozen=True, kw_only=True)
class TLDR:
    """One row a post."""

    path: str = "CarperAI/openai_summarize_tldr"
    """Hub id, or folder with train.jsonl, validation.jsonl (or valid.jsonl) and test.jsonl."""
    limit: int | None = None
    """Rows a split, at most."""

    def __post_init__(self) -> None:
        require_source(self.path, self.limit)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The posts of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        folder = Path(self.path).expanduser()
        is_valid = bool(split_files(folder, "valid")) if folder.is_dir() else self.path.startswith("CarperAI/")
        name = "valid" if split == "validation" and is_valid else split
        rows = []
        for row in read_split(self.path, name):
            prompt = row.filled_text("prompt")
            summary = row.text("completion" if row.value("label") is None else "label").strip()
            rows.append(SummaryRow(f"row-{row.number}", prompt, summary, (summary,), prompt=prompt))
        return rows
