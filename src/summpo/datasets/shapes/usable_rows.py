"""How data sets read: each row made into what it is used as; what cannot be used is left out and counted."""

import functools
import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeVar

from summpo.datasets import BadRows, Split, text_id, with_unique_ids
from summpo.errors import require
from summpo.files.jsonl import LeftOut, RowFault, SourceRow, SourceRows
from summpo.text.rows import SummaryRow

log = logging.getLogger(__name__)

T = TypeVar("T")


class _Read(Protocol):
    @property
    def path(self) -> str | None: ...

    @property
    def limit(self) -> int | None: ...

    @property
    def bad_rows(self) -> BadRows: ...


def usable(dataset: _Read, rows: SourceRows, make: Callable[[SourceRow], T], limit: int | None = None) -> list[T]:
    """What is made of each row, of the first `limit` that can be used; no more rows are read.

    A row that the data set is known to have and not to use (`LeftOut`), and with bad_rows=drop any other that cannot be
    used, is passed over; how many, why, and where the first of them lies is said.

    Raises:
        RowFault: a row cannot be used, and bad_rows is error.
        UserError: no row can be used.
    """
    made: list[T] = []
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in rows:
        try:
            if isinstance(row, RowFault):
                raise row
            made.append(make(row))
        except RowFault as fault:
            if dataset.bad_rows == "error" and not isinstance(fault, LeftOut):
                raise
            counts[fault.kind] += 1
            first.setdefault(fault.kind, fault.place)
        if len(made) == limit:
            break
    total = len(made) + counts.total()
    require(total == 0 or bool(made), f"{dataset.path}: all {total} rows are left out: {'; '.join(counts)}")
    for why, count in counts.items():
        say_once(f"{dataset.path}: {count} of {total} rows are left out: {why} (the first: {first[why]})")
    return made


@functools.cache
def say_once(sentence: str) -> None:
    """Logs what this process has not said yet: a source is read anew for each split, and tells the same of itself."""
    log.info(sentence)


def train_limit(dataset: _Read, split: Split) -> int | None:
    """Where to stop reading a split: a held-out one is read whole, for any row of it may be a document's reference."""
    return dataset.limit if split == "train" else None


def article_rows(dataset: _Read, rows: SourceRows, document: str, summary: str) -> list[SummaryRow]:
    """Rows with one summary each, in the columns of these names; a row without an `id` is named by its text."""

    def article(row: SourceRow) -> SummaryRow:
        text, short = row.text(document), row.text(summary)
        return SummaryRow(row.optional_id("id") or text_id(text), text, short, (short,), place=row.place)

    return with_unique_ids(usable(dataset, rows, article, dataset.limit))
