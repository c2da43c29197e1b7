"""PKU-SafeRLHF: pairs of answers judged twice, for which is better and for which is safer (arXiv 2307.04657).

Columns prompt, response_0, response_1, better_response_id, safer_response_id. The whole data set publishes train and
test, the 10K one train alone; either way no prompt is in two splits.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from summpo.data_sources import read_split, split_files
from summpo.datasets import Split, chosen_summaries, deal, halved, left_out, require_source
from summpo.errors import require, require_choice
from summpo.jsonl_files import SourceRow
from summpo.rows import PairRow

DIMENSIONS = ("better", "safer")
ONE_SPLIT: dict[Split, float] = {"validation": 0.05, "test": 0.05, "train": 0.9}


@dataclass(frozen=True, kw_only=True)
class PKUSafeRLHF:
    """One pair a row, by one of the two judgements."""

    path: str = "PKU-Alignment/PKU-SafeRLHF"
    """Hub id (PKU-Alignment/PKU-SafeRLHF-10K for the small one), or folder with train.jsonl and perhaps test.jsonl."""
    dimension: str = "better"
    """better (more helpful) or safer."""
    seed: int = 0
    """Decides which documents are validation and which test."""
    limit: int | None = None
    """Rows a split, at most."""

    gives: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_source(self.path, self.limit, self.seed)
        require_choice("dataset.dimension", self.dimension, DIMENSIONS)

    summaries = chosen_summaries

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; rows without the judgement are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        folder = Path(self.path).expanduser()
        has_test = bool(split_files(folder, "test")) if folder.is_dir() else not self.path.endswith("-10K")
        rows = read_split(self.path, "train" if split == "train" or not has_test else "test")
        pairs = [pair for row in rows if (pair := self._judged(row)) is not None]
        left_out(self.path, len(rows) - len(pairs), len(rows), f"column {self.dimension}_response_id is null")
        if has_test:
            return pairs if split == "train" else halved(pairs, split, self.seed)
        split_of = deal((pair.document for pair in pairs), ONE_SPLIT, self.seed)
        part = [pair for pair in pairs if split_of[pair.document] == split]
        require(bool(part), f"{self.path} has too few prompts to leave one for {split}")
        return part

    def _judged(self, row: SourceRow) -> PairRow | None:
        column = f"{self.dimension}_response_id"
        chosen = row.value(column)
        if chosen is None:
            return None
        if type(chosen) is not int or chosen not in (0, 1):
            raise row.fault(f"column {column} must be 0 or 1, got {chosen!r:.60}")
        return PairRow(
            id=f"row-{row.number}",
            document=row.filled_text("prompt"),
            chosen=row.text(f"response_{chosen}"),
            rejected=row.text(f"response_{1 - chosen}"),
        )
