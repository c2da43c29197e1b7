"""Answers of Stack Exchange in pairs, the one with more votes chosen (lvwerra/stack-exchange-paired).

Columns qid, question, response_j (more votes), response_k. Training pairs are those of the Hub's folder data/rl,
held-out ones those of data/evaluation, cut in two halves by question.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from summpo.datasets import SFT_ON, BadRows, SftOn, Split, halved, require_source, summaries_of_pairs
from summpo.datasets.shapes.usable_rows import train_limit, usable
from summpo.errors import require_choice
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow


@dataclass(frozen=True, kw_only=True)
class StackExchangePaired:
    """One pair a row; the question is the document."""

    path: str = "lvwerra/stack-exchange-paired"
    """Hub id, or folder with train.jsonl and evaluation.jsonl."""
    sft_on: SftOn = "chosen"
    """What SFT imitates: chosen = the better answers, both = the worse ones too."""
    seed: int = 0
    """The held-out rows are cut into validation and test, by prompt; another seed cuts elsewhere."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    gives: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.sft_on", self.sft_on, SFT_ON)

    summaries = summaries_of_pairs

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        published = "train" if split == "train" else "evaluation"
        folder = Path(self.path).expanduser()
        if folder.is_dir() and not (folder / "data" / "rl").is_dir():
            rows = read_split(self.path, published)
        else:
            rows = read_split(self.path, "train", folder_on_hub="data/rl" if split == "train" else "data/evaluation")
        pairs = usable(self, rows, answers, train_limit(self, split))
        return pairs if split == "train" else halved(pairs, split, self.seed)


def answers(row: SourceRow) -> PairRow:
    """The two answers of a row.

    Raises:
        RowFault: a column is missing or no text.
    """
    return PairRow(
        id=f"{row.optional_id('qid') or 'row'}#{row.number}",
        document=row.text("question"),
        chosen=row.text("response_j"),
        rejected=row.text("response_k"),
        place=row.place,
    )
