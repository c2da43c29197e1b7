"""ACLSum: 250 papers of the ACL Anthology (100 train, 50 validation, 100 test) with three expert sentences each.

The sentences name the challenge, the approach and the outcome (Takeshita et al. 2024, arXiv 2403.05303). The PyPI
package `aclsum` carries the files; they are read straight, because importing the package would import its dependencies.
"""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from summpo.datasets import Split, require_limit, require_path
from summpo.errors import UserError, require, require_choice
from summpo.jsonl_files import SourceRow, read_jsonl
from summpo.rows import SummaryRow

SECTIONS = ("abstract", "introduction", "conclusion")
ASPECTS = ("challenge", "approach", "outcome")
FILES: dict[Split, str] = {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"}


@dataclass(frozen=True, kw_only=True)
class ACLSum:
    """One row a paper.

    Raises:
        UserError: an unknown section or aspect, or (when rows are asked for) neither a `path` nor the package is there.
    """

    path: str | None = None
    """Folder with train.jsonl, val.jsonl and test.jsonl; None = those of the installed package."""
    sections: Sequence[str] = ("abstract",)
    """Sections whose sentences make the document, in this order."""
    aspect: str = "all"
    """challenge, approach or outcome; all = the three sentences in that order, joined by spaces."""
    limit: int | None = None
    """Rows a split, at most."""

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
        require_limit(self.limit)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The papers of one split.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        folder = package_folder() if self.path is None else Path(self.path).expanduser()
        return [self._summary(row) for row in read_jsonl(folder / FILES[split])]

    def _summary(self, row: SourceRow) -> SummaryRow:
        sentences = [sentence for section in self.sections for sentence in row.texts(f"sentences.{section}")]
        aspects = ASPECTS if self.aspect == "all" else (self.aspect,)
        summary = " ".join(row.filled_text(f"summary.{aspect}").strip() for aspect in aspects)
        return SummaryRow(row.text("id"), " ".join(sentences), summary, references=(summary,))


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
