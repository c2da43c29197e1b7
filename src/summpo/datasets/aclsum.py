"""ACLSum: 250 papers of the ACL Anthology (100 train, 50 validation, 100 test) with three expert sentences each.

The sentences name the challenge, the approach and the outcome (Takeshita et al. 2024, arXiv 2403.05303). The PyPI
package `aclsum` carries the files; they are read straight, because importing the package would import its dependencies.

Its pairs show what a weight of brevity does, and are no human judgements: of a paper's nested summaries (the first
sentence, the first two, all three) the longer is chosen where an imagined reader wants more, the shorter where it wants
less; none wants the last sentence said again. Both of a pair begin alike: what there is to learn is when to stop.
"""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import ClassVar

from summpo.datasets import Split, require_limit, require_path
from summpo.errors import UserError, require, require_choice, require_number
from summpo.files.jsonl import SourceRow, read_jsonl
from summpo.text.rows import PairRow, SummaryRow

SECTIONS = ("abstract", "introduction", "conclusion")
ASPECTS = ("challenge", "approach", "outcome")
FILES: dict[Split, str] = {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"}


@dataclass(frozen=True, kw_only=True)
class ACLSum:
    """One summary a paper, or four pairs of its nested summaries.

    Raises:
        UserError: an unknown section or aspect, a share outside 0 to 1, or (when rows are asked for) neither a `path`
            nor the package is there.
    """

    gives: ClassVar[tuple[str, ...]] = ("references",)

    path: str | None = None
    """Folder with train.jsonl, val.jsonl and test.jsonl; None = those of the installed package."""
    sections: Sequence[str] = ("abstract",)
    """Sections whose sentences make the document, in this order."""
    aspect: str = "all"
    """challenge, approach or outcome; all = the three sentences in that order, joined by spaces."""
    wants_more: float = 0.8
    """Share of the readers, one a paper, who choose the longer of two summaries, evenly spread over the papers."""
    limit: int | None = 120
    """Rows a split, at most: of pairs, there are four a paper."""

    def __post_init__(self) -> None:
        if self.path is not None:
            require_path(self.path, "null (the installed package) or a folder")
        require(
            isinstance(self.sections, Sequence) and not isinstance(self.sections, str) and len(self.sections) > 0,
            f"sections must be a list such as [abstract], got {self.sections!r} (config key dataset.sections)",
        )
        object.__setattr__(self, "sections", tuple(self.sections))
        for section in self.sections:
            require_choice("dataset.sections", section, SECTIONS)
        require_choice("dataset.aspect", self.aspect, (*ASPECTS, "all"))
        require_number("dataset.wants_more", self.wants_more, low=0, high=1)
        require_limit(self.limit)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The papers of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        return [self._summary(row) for row in self._papers(split)]

    def pairs(self, split: Split) -> list[PairRow]:
        """The pairs of nested summaries of one split, paper by paper.

        Raises:
            UserError: one aspect alone is asked for; or naming the file, line or column that cannot be used.
        """
        require(
            self.aspect == "all",
            f"pairs are of nested summaries in all three aspects, got {self.aspect} (config key dataset.aspect)",
        )
        if split == "train":
            print(
                f"dataset=aclsum: pairs of nested expert summaries, the longer chosen by {self.wants_more:.0%} of "
                "imagined readers: they show what w does; for real work use dataset=summarize_from_feedback, or your "
                "own (dataset=jsonl)"
            )
        return [pair for place, row in enumerate(self._papers(split)) for pair in self._pairs(row, place)]

    def _papers(self, split: Split) -> Sequence[SourceRow]:
        folder = package_folder() if self.path is None else Path(self.path).expanduser()
        return read_jsonl(folder / FILES[split])

    def _summary(self, row: SourceRow) -> SummaryRow:
        sentences = [sentence for section in self.sections for sentence in row.texts(f"sentences.{section}")]
        aspects = ASPECTS if self.aspect == "all" else (self.aspect,)
        summary = " ".join(row.filled_text(f"summary.{aspect}").strip() for aspect in aspects)
        return SummaryRow(row.text("id"), " ".join(sentences), summary, references=(summary,))

    def _pairs(self, row: SourceRow, place: int) -> list[PairRow]:
        """The pairs of the paper at a place in its file, 0 the first: three, and one that rejects saying it again."""
        paper = self._summary(row)
        experts = [row.filled_text(f"summary.{aspect}").strip() for aspect in ASPECTS]
        nested = [" ".join(experts[:sentences]) for sentences in range(1, len(experts) + 1)]
        wants_more = int((place + 1) * self.wants_more) > int(place * self.wants_more)
        pairs = []
        for shorter, longer in combinations(range(len(nested)), 2):
            chosen, rejected = (longer, shorter) if wants_more else (shorter, longer)
            name = f"{paper.id}/{chosen + 1}-{rejected + 1}"
            pairs.append(PairRow(name, paper.document, nested[chosen], nested[rejected], references=paper.references))
        again = f"{nested[-1]} {experts[-1]}"
        return [*pairs, PairRow(f"{paper.id}/again", paper.document, nested[-1], again, references=paper.references)]


def package_folder() -> Path:
    """The folder of data files in the installed package `aclsum`.

    Raises:
        UserError: the package is not installed.
    """
    try:
        package = importlib.metadata.distribution("aclsum")
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(
            "dataset=aclsum reads the files of the package aclsum, which is not installed: "
            "pip install --no-deps aclsum==0.1.2, or set dataset.path to a folder with its files"
        ) from error
    return Path(str(package.locate_file("aclsum/dataset")))
