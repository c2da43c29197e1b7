"""Your own data in summpo's columns: a JSONL file, a folder with one JSONL file a split, or a data set on the Hub.

Summaries: {document, summary}. Pairs: {document or prompt, chosen, rejected}. Either may have: id, prompt (a ready
prompt that replaces the template, and may hold control tokens), reference (text) or references (list); pairs also
score_chosen, score_rejected and source (where the document comes from, for `summpo inspect`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from summpo.data_sources import read_split, split_files
from summpo.datasets import (
    SFT_ON,
    MissingPairs,
    SftOn,
    Split,
    deal,
    require_limit,
    require_path,
    require_seed,
    summary_rows,
    unique_ids,
)
from summpo.errors import require, require_choice, require_number
from summpo.jsonl_files import SourceRow, read_jsonl
from summpo.rows import PairRow, SummaryRow


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """One row a line. What has no splits of its own is cut by document, so that no document is in two of them."""

    path: str
    """A file; or a folder with train.jsonl, validation.jsonl, test.jsonl; or a Hub id. Required."""
    sft_on: SftOn = "chosen"
    """What `summaries` gives where the rows are pairs: the chosen ones, or both."""
    validation_fraction: float = 0.1
    """Of a single file, or of train where a folder has no validation: the part of its documents that is validation. 0 =
    none."""
    test_fraction: float = 0.1
    """Of a single file: the part of its documents that is test. 0 = none."""
    seed: int = 0
    """Of what is cut: decides which documents go where."""
    limit: int | None = None
    """Rows a split, at most."""

    def __post_init__(self) -> None:
        require_path(self.path, "a JSONL file, a folder of them or a Hub id (owner/name)")
        require_choice("dataset.sft_on", self.sft_on, SFT_ON)
        require_number("dataset.validation_fraction", self.validation_fraction, low=0, high=1)
        require_number("dataset.test_fraction", self.test_fraction, low=0, high=1)
        held_out = self.validation_fraction + self.test_fraction
        require(
            held_out < 1,
            f"validation_fraction and test_fraction must leave documents to train on, got {held_out:g} together "
            "(config keys dataset.validation_fraction, dataset.test_fraction)",
        )
        require_seed(self.seed)
        require_limit(self.limit)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The rows of one split as summaries; pairs give each (document, summary) once.

        The references of a document are those that its rows name, else its summaries (of pairs: the chosen ones).

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """
        rows = self._rows(split)
        references = given_references(rows)
        if any(row.value("chosen") is not None for row in rows) and all(row.value("summary") is None for row in rows):
            return summary_rows(self._pairs(rows), self.sft_on, references)
        texts: dict[str, dict[str, None]] = {}
        for row in rows:
            texts.setdefault(document_of(row), {})[row.text("summary")] = None
        return [
            SummaryRow(
                id=name,
                document=document_of(row),
                summary=row.text("summary"),
                references=references.get(document_of(row), tuple(filter(str.strip, texts[document_of(row)]))),
                prompt=row.optional_text("prompt"),
                place=row.place,
            )
            for row, name in zip(rows, row_ids(rows), strict=True)
        ]

    def pairs(self, split: Split) -> list[PairRow]:
        """The rows of one split as pairs.

        Raises:
            MissingPairs: no row has a column chosen.
            UserError: naming the file, line or column that cannot be used.
        """
        rows = self._rows(split)
        if rows and all(row.value("chosen") is None for row in rows):
            raise MissingPairs(f"{rows[0].place}: column chosen is missing or null, in this row and all others")
        return self._pairs(rows)

    def _pairs(self, rows: list[SourceRow]) -> list[PairRow]:
        references = given_references(rows)
        return [
            PairRow(
                id=name,
                document=document_of(row),
                chosen=row.text("chosen"),
                rejected=row.text("rejected"),
                score_chosen=row.optional_number("score_chosen"),
                score_rejected=row.optional_number("score_rejected"),
                references=references.get(document_of(row), ()),
                prompt=row.optional_text("prompt"),
                source=row.optional_id("source"),
                place=row.place,
            )
            for row, name in zip(rows, row_ids(rows), strict=True)
        ]

    def _rows(self, split: Split) -> list[SourceRow]:
        file = Path(self.path).expanduser()
        shares: dict[Split, float] = {"validation": self.validation_fraction, "test": self.test_fraction}
        if file.is_file():
            rows = read_jsonl(file)
        elif split == "test" or not file.is_dir() or not self.validation_fraction or split_files(file, "validation"):
            return read_split(self.path, split)
        else:
            rows = read_split(self.path, "train")
            del shares["test"]
            if split == "validation":
                share = f"{self.validation_fraction:.3g} of train's documents"
                print(f"{self.path} has no file for validation: {share} are held out for it")
        shares["train"] = 1 - sum(shares.values())
        split_of = deal(map(document_of, rows), shares, self.seed)
        part = [row for row in rows if split_of[document_of(row)] == split]
        require(
            bool(part) or shares[split] == 0,
            f"{self.path} has {len(split_of)} distinct documents, too few to leave one for {split}: add rows, set "
            "dataset.validation_fraction or dataset.test_fraction to 0, or give a folder with a file for each split",
        )
        return part


def document_of(row: SourceRow) -> str:
    """The document, or the prompt where there is no document.

    Raises:
        UserError: both are missing or null, or the one there is blank.
    """
    if row.value("document") is None and row.value("prompt") is None:
        raise row.fault("columns document and prompt are both missing or null")
    return row.filled_text("prompt" if row.value("document") is None else "document")


def row_ids(rows: list[SourceRow]) -> list[str]:
    """The column id, or else "row-<number in the source>"; never the same twice."""
    return unique_ids(row.optional_id("id") or f"row-{row.number}" for row in rows)


def given_references(rows: list[SourceRow]) -> Mapping[str, tuple[str, ...]]:
    """The distinct references that the rows of each document name, for the documents that have any."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        reference = row.optional_text("reference")
        references = [] if row.value("references") in (None, []) else row.texts("references")
        for text in filter(str.strip, [*([] if reference is None else [reference]), *references]):
            found.setdefault(document_of(row), {})[text] = None
    return {document: tuple(texts) for document, texts in found.items()}
