"""What repeats: rows, pairs chosen both ways round, documents in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from summpo.text.rows import PairRow


@dataclass(frozen=True)
class Repeats:
    """What stands more than once. A distinct pair is a document with two summaries, whichever of them was chosen.

    Texts are the same where they are so after white space is collapsed.
    """

    rows: int
    documents: int
    distinct_pairs: int
    repeated_rows: int
    """Rows that say once more what a row before them says: document, chosen and rejected."""
    contradicted_pairs: int
    """Distinct pairs that are there both ways round."""
    contradicted_rows: int
    """Rows of these pairs."""
    best_accuracy: float
    """Share of the rows that agree with the majority on their distinct pair: no model can order more of them right."""


@dataclass(frozen=True)
class SharedDocuments:
    """What a split has of an earlier one's documents."""

    earlier: str
    later: str
    documents: int
    """Distinct documents that are in both."""
    of_documents: int
    """Distinct documents of the later one."""
    rows: int
    """Rows of the later one that are on a shared document."""
    of_rows: int


def same_text(text: str) -> str:
    """The text by which two are compared: white space collapsed."""
    return " ".join(text.split())


def document_key(row: PairRow) -> str:
    """What a model is asked about in the row, as it is compared: the turns, the ready prompt, or else the document."""
    if row.messages is not None:
        return "\n".join(f"{turn.role} {same_text(turn.content)}" for turn in row.messages)
    return same_text(row.document if row.prompt is None else row.prompt)


def repeats(rows: Sequence[PairRow]) -> Repeats:
    """What stands more than once among the rows of a split."""
    verdicts = Counter((document_key(row), same_text(row.chosen), same_text(row.rejected)) for row in rows)
    ways: dict[tuple[str, frozenset[str]], list[int]] = {}
    for (document, chosen, rejected), count in verdicts.items():
        ways.setdefault((document, frozenset((chosen, rejected))), []).append(count)
    contradicted = [counts for counts in ways.values() if len(counts) == 2]
    return Repeats(
        rows=len(rows),
        documents=len({document for document, _ in ways}),
        distinct_pairs=len(ways),
        repeated_rows=len(rows) - len(verdicts),
        contradicted_pairs=len(contradicted),
        contradicted_rows=sum(map(sum, contradicted)),
        best_accuracy=sum(map(max, ways.values())) / len(rows),
    )


def shared_documents(rows_of: Mapping[str, Sequence[PairRow]]) -> tuple[SharedDocuments, ...]:
    """What each split shares with each earlier one, in the order in which the splits are given."""
    keys = {split: [document_key(row) for row in rows] for split, rows in rows_of.items()}
    found = []
    for position, later in enumerate(keys):
        for earlier in list(keys)[:position]:
            own, both = set(keys[later]), set(keys[earlier]) & set(keys[later])
            rows = sum(key in both for key in keys[later])
            found.append(SharedDocuments(earlier, later, len(both), len(own), rows, len(keys[later])))
    return tuple(found)
