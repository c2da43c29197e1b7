"""Anthropic's dialogues with a chosen and a rejected last answer (Bai et al. 2022, arXiv 2204.05862).

Columns chosen and rejected, each a whole transcript of turns ("Human: ...", "Assistant: ..."), an empty line apart.
Published are train and test: the test rows are cut in two halves, by prompt.
"""

from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

from summpo.datasets import SFT_ON, BadRows, SftOn, Split, halved, require_source, summaries_of_pairs
from summpo.datasets.shapes.usable_rows import train_limit, usable
from summpo.errors import require_choice
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow

ANSWER = "\n\nAssistant:"
SUBSETS = ("harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled")


@dataclass(frozen=True, kw_only=True)
class HHRLHF:
    """One pair a row; the prompt is what the two transcripts share, up to the answer in which they part."""

    path: str = "Anthropic/hh-rlhf"
    """Hub id, or folder with train.jsonl and test.jsonl."""
    subset: str | None = None
    """Part of the Hub's data set: harmless-base, helpful-base, helpful-online or helpful-rejection-sampled; null =
    all."""
    sft_on: SftOn = "chosen"
    """What SFT imitates: chosen = the better answers, both = the worse ones too."""
    seed: int = 0
    """The held-out rows are cut into validation and test, by prompt; another seed cuts elsewhere."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    gives: ClassVar[tuple[str, ...]] = ("prompt",)

    def __post_init__(self) -> None:
        require_source(self)
        require_choice("dataset.sft_on", self.sft_on, SFT_ON)
        require_choice("dataset.subset", self.subset, (None, *SUBSETS))

    summaries = summaries_of_pairs

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of one split; rows that part before an answer, or have an empty one, are left out and counted.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        published = "train" if split == "train" else "test"
        rows = read_split(self.path, published, folder_on_hub=self.subset)
        pairs = usable(self, rows, last_answers, train_limit(self, split))
        return pairs if split == "train" else halved(pairs, split, self.seed)


def last_answers(row: SourceRow) -> PairRow:
    """The row as a pair.

    Raises:
        LeftOut: its transcripts share no prompt, or an answer is empty.
        RowFault: a column is missing or no text.
    """
    chosen, rejected = row.text("chosen"), row.text("rejected")
    shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
    end = chosen[:shared].rfind(ANSWER)
    if end < 0:
        raise row.left_out("their transcripts share no prompt")
    prompt = chosen[: end + len(ANSWER)]
    answers = (chosen[len(prompt) :], rejected[len(prompt) :])
    if not all(map(str.strip, answers)):
        raise row.left_out("an answer is empty")
    return PairRow(f"row-{row.number}", prompt, *answers, prompt=prompt, place=row.place)
