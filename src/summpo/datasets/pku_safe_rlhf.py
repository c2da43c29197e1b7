"""PKU-SafeRLHF: pairs of answers judged twice, for which is better and for which is safer (arXiv 2307.04657).

Columns prompt, response_0, response_1, better_response_id, safer_response_id. The whole data set publishes train and
test, the 10K one train alone; either way no prompt is in two splits.
"""

from dataclasses import dataclass
from typing import ClassVar

from summpo.datasets import SFT_ON, BadRows, SftOn, Split, assign_splits, halved, require_source, summaries_of_pairs
from summpo.datasets.shapes.usable_rows import train_limit, usable
from summpo.errors import require, require_choice
from summpo.files.hub_or_folder import has_split, read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow

DIMENSIONS = ("better", "safer")
ONE_SPLIT: dict[Split, float] = {"validation": 0.05, "test": 0.05, "train": 0.9}


@dataclass(frozen=True, kw_only=True)
class PKUSafeRLHF:
    """One pair a row, by one of the two judgements."""

    path: str = "PKU-Alignment/PKU-SafeRLHF"
    """Hub id (PKU-Alignment/PKU-SafeRLHF-10K for the small one), or folder with train.jsonl and perhaps test.jsonl."""
    dimension: str = "better"
    """better (more helpful) or safer."""
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
        require_choice("dataset.dimension", self.dimension, DIMENSIONS)

    summaries = summaries_of_pairs

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; rows without the judgement, or with one that is none, are left out, and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        has_test = has_split(self.path, "test")
        rows = read_split(self.path, "train" if split == "train" or not has_test else "test")
        pairs = usable(self, rows, self._judged, train_limit(self, split) if has_test else None)
        if has_test:
            return pairs if split == "train" else halved(pairs, split, self.seed)
        split_of = assign_splits((pair.document for pair in pairs), ONE_SPLIT, self.seed)
        part = [pair for pair in pairs if split_of[pair.document] == split]
        require(bool(part), f"{self.path} has too few prompts to leave one for {split}")
        return part

    def _judged(self, row: SourceRow) -> PairRow:
        column = f"{self.dimension}_response_id"
        chosen = row.optional_choice(column)
        if chosen is None:
            raise row.left_out(f"column {column} is null")
        safe = [row.value(f"is_response_{answer}_safe") for answer in (chosen, 1 - chosen)]
        if self.dimension == "safer" and safe == [False, True]:
            raise row.left_out("the safer answer is marked as not safe, the other as safe")
        return PairRow(
            id=f"row-{row.number}",
            document=row.text("prompt"),
            chosen=row.text(f"response_{chosen}"),
            rejected=row.text(f"response_{1 - chosen}"),
            place=row.place,
        )
