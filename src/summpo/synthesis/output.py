"""Judged pairs as a data set in summpo's own columns: one file a split, JSONL or Parquet, each written whole.

`dataset=jsonl` reads the folder; so does `datasets.load_dataset`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from summpo.datasets import SPLITS, Split
from summpo.errors import require_field, require_number
from summpo.runs.run_folder import write_whole
from summpo.synthesis.records import JudgedPair
from summpo.teacher.endpoint_words import storable
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

Format = Literal["jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
CARD, MANIFEST, REJECTED, PICTURE = "README.md", "synthesize.json", "rejected.jsonl", "funnel.png"
"""What lies beside the splits."""
JOURNAL = "journal.sqlite"
"""Where the requests and answers lie, of judges too."""


@dataclass(frozen=True)
class SplitShares:
    """Which part of the documents is held out."""

    validation: float = 0.05
    """The share of the train documents that is validation."""
    test: float = 0.05
    """The share of the train documents that is test, where there are no test_documents."""
    seed: int = 0
    """Decides which documents go where."""

    def __post_init__(self) -> None:
        require_number("splits.validation", self.validation, low=0, high=1)
        require_number("splits.test", self.test, low=0, high=1)
        held_out = self.validation + self.test
        require_field(
            "splits.validation", held_out < 1, f"validation and test must leave documents to train on, got {held_out:g}"
        )

    def split_of(self, document_id: str) -> Split:
        """The split of a document, by the hash of its id alone: documents that are added move no other.

        What stands before a # is the id: the parts of one document, book#0 and book#1, stay together. The shares are
        those of many documents; of few, a split may get none.
        """
        whole = document_id.partition("#")[0] or document_id
        drawn = int.from_bytes(sha256(f"{self.seed}\n{whole}".encode()).digest()[:8]) / 2**64
        if drawn < self.validation:
            return "validation"
        return "test" if drawn < self.validation + self.test else "train"


def split_pairs(pairs: Iterable[JudgedPair], shares: SplitShares) -> dict[Split, list[JudgedPair]]:
    """The pairs of each split that has any, by the ids of their documents."""
    found: dict[Split, list[JudgedPair]] = {split: [] for split in SPLITS}
    for pair in sorted(pairs, key=lambda pair: pair.document.id):
        found[shares.split_of(pair.document.id)].append(pair)
    return {split: part for split, part in found.items() if part}


def row_of(pair: JudgedPair) -> dict[str, Any]:
    """A pair in summpo's columns, and beside them what the teacher said."""
    row = {
        "id": pair.document.id,
        "source": pair.document.source,
        "document": pair.document.text,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "score_chosen": float(pair.score_chosen),
        "score_rejected": float(pair.score_rejected),
        "explanation_chosen": pair.explanations[0],
        "explanation_rejected": pair.explanations[1],
        "chosen_written_first": pair.first_is_chosen,
    }
    return {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}


def rejected_row(
    document_id: str, source: str, stage: str, rejected: Rejected, answers: Mapping[str, Answer]
) -> dict[str, Any]:
    """What came to nothing, with every answer as it was given, by its step."""
    return {
        "id": document_id,
        "source": source,
        "stage": stage,
        "reason": rejected.reason,
        "detail": rejected.detail,
        "answers": {step: asdict(answer) for step, answer in answers.items()},
    }


def write_splits(folder: Path, parts: Mapping[Split, Sequence[JudgedPair]], form: Format) -> dict[Split, Path]:
    """Writes a file for each split, in place of those of an earlier call in whatever form."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[Split, Path] = {}
    for split, pairs in parts.items():
        written[split] = folder / f"{split}.{form}"
        rows = [row_of(pair) for pair in pairs]
        write_whole(written[split], parquet(rows) if form == "parquet" else jsonl(rows))
    for split in SPLITS:
        for stale in (folder / f"{split}.{other}" for other in FORMATS):
            if stale not in written.values():
                stale.unlink(missing_ok=True)
    return written


def jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON, one a line; half of a surrogate pair stays escaped."""
    return "".join(_line(row) + "\n" for row in rows)


def _line(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    return json.dumps(row) if any("\ud800" <= character <= "\udfff" for character in text) else text


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows of `row_of` as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    kinds = {float: pyarrow.float64(), bool: pyarrow.bool_(), str: pyarrow.string()}
    schema = pyarrow.schema([(name, kinds[type(value)]) for name, value in rows[0].items()])
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), sink)
    return sink.getvalue().to_pybytes()
