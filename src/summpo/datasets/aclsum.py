"""ACLSum: 250 papers of the ACL Anthology (100 train, 50 validation, 100 test) with three expert sentences each.

The sentences name the challenge, the approach and the outcome (Takeshita et al. 2024, arXiv 2403.05303). The PyPI
package `aclsum` carries the files; they are read straight, because importing the package would import its dependencies.

Its pairs show what a weight of brevity does, and are no human judgements: of a paper's nested summaries (the first
sentence, the first two, all three) the longer is chosen where an imagined reader wants more, the shorter where it wants
less; none wants the last sentence said again. Both of a pair begin alike: what there is to learn is when to stop.
"""

import importlib.metadata
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from summpo.datasets import BAD_ROWS, BadRows, Split, require_limit, require_path, summary_rows
from summpo.datasets.shapes.usable_rows import usable
from summpo.errors import UserError, require, require_choice, require_number
from summpo.files.hub_or_folder import read_split
from summpo.files.jsonl import SourceRow
from summpo.text.rows import PairRow, SummaryRow

log = logging.getLogger(__name__)

T = TypeVar("T")

SECTIONS = ("abstract", "introduction", "conclusion")
ASPECTS = ("challenge", "approach", "outcome")
PAIRS = 4
"""Pairs of each paper."""

ExpertSftOn = Literal["expert", "chosen", "both"]
EXPERT_SFT_ON: tuple[ExpertSftOn, ...] = ("expert", "chosen", "both")


@dataclass(frozen=True, kw_only=True)
class ACLSum:
    """One summary a paper, or four pairs of its nested summaries.

    Raises:
        UserError: an unknown section or aspect, a share outside 0 to 1, or (when rows are asked for) neither a `path`
            nor the package is there.
    """

    gives: ClassVar[tuple[str, ...]] = ("references",)

    path: str | None = None
    """Folder with train.jsonl, val.jsonl and test.jsonl; null = the files of the installed package."""
    sections: Sequence[str] = ("abstract",)
    """Sections whose sentences make the document, in this order: abstract, introduction, conclusion."""
    aspect: str = "all"
    """The expert sentence to learn: challenge, approach or outcome; all = the three, in that order, as one summary."""
    wants_more: float = 0.8
    """Share of the readers, one a paper, who choose the longer of two summaries, evenly spread over the papers."""
    sft_on: ExpertSftOn = "expert"
    """What SFT imitates: expert = the summary of each paper; of its pairs: chosen = the better side, both = the worse
    one too."""
    limit: int | None = 120
    """Rows a split, at most; null = all. Of its pairs there are four a paper: 400 to train on, half an hour on two
    cores."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

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
        require_choice("dataset.sft_on", self.sft_on, EXPERT_SFT_ON)
        require_choice("dataset.bad_rows", self.bad_rows, BAD_ROWS)
        require_limit(self.limit)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The papers of one split; or the sides of its pairs, the experts' whole summary the reference of each.

        Raises:
            UserError: naming the file, line or column that cannot be used; or as `pairs`.
        """
        if self.sft_on == "expert":
            return self._papers(split, self._summary, self.limit)
        pairs = self.pairs(split)
        return summary_rows(pairs, self.sft_on, {pair.document: pair.references for pair in pairs})

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
            log.info(
                f"dataset=aclsum: pairs of nested expert summaries, the longer chosen by {self.wants_more:.0%} of "
                "imagined readers: they show what w does; for real work use dataset=summarize_from_feedback, or your "
                "own (dataset=jsonl)"
            )
        limit = None if self.limit is None else math.ceil(self.limit / PAIRS)
        papers = self._papers(split, lambda row: (self._summary(row), self._experts(row)), limit)
        return [pair for place, paper in enumerate(papers) for pair in self._pairs(*paper, place)]

    def _papers(self, split: Split, make: Callable[[SourceRow], T], limit: int | None) -> list[T]:
        path = str(package_folder()) if self.path is None else self.path
        return usable(replace(self, path=path), read_split(path, split), make, limit)

    def _summary(self, row: SourceRow) -> SummaryRow:
        document = " ".join(row.sentences(f"sentences.{section}") for section in self.sections)
        summary = " ".join(self._experts(row))
        return SummaryRow(row.text("id"), document, summary, references=(summary,), place=row.place)

    def _experts(self, row: SourceRow) -> list[str]:
        """The experts' sentences, one of each aspect that is asked for."""
        if self.aspect != "all":
            return [row.text(f"summary.{self.aspect}").strip()]
        return [row.filled_text(f"summary.{aspect}").strip() for aspect in ASPECTS]

    def _pairs(self, paper: SummaryRow, experts: list[str], place: int) -> list[PairRow]:
        """The pairs of the paper at a place among the papers, 0 the first: three, and one that rejects repetition."""
        nested = [" ".join(experts[:sentences]) for sentences in range(1, len(experts) + 1)]
        wants_more = int((place + 1) * self.wants_more) > int(place * self.wants_more)
        pairs = []
        for shorter, longer in combinations(range(len(nested)), 2):
            chosen, rejected = (longer, shorter) if wants_more else (shorter, longer)
            name = f"{paper.id}/{chosen + 1}-{rejected + 1}"
            pairs.append((name, nested[chosen], nested[rejected]))
        pairs.append((f"{paper.id}/again", nested[-1], f"{nested[-1]} {experts[-1]}"))
        return [
            PairRow(name, paper.document, chosen, rejected, references=paper.references, place=paper.place)
            for name, chosen, rejected in pairs
        ]


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
