"""Data sets: source files to text rows. One frozen dataclass a file, one yaml in conf/dataset beside it.

A data set knows columns. It does not know tokens, prompts, models or objectives. It offers `summaries`,
`pairs` and `labelled`, or some of them; what it lacks it does not define, and the command line says so before anything
is loaded. Labelled rows are made of pairs where a data set has none of its own.

The same call always returns the same rows in the same order. `limit` (rows a split, at most) is applied by the caller;
a data set stops reading early where it can.
A data set of pairs may have a class variable `gives`: the fields of `PairRow`, beside id, place and the texts, that its
rows may fill. Of one without, only its rows can tell.
What it reads on this disk lies at its `path`, or where another of its fields says: a sweep reads it again only where
something there has changed.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from summpo.errors import UserError, require, require_choice
from summpo.text.rows import LabelledRow, PairRow, SummaryRow, TextRow

log = logging.getLogger(__name__)

R = TypeVar("R", bound=TextRow)

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
HALVES: Mapping[Split, float] = {"validation": 0.5, "test": 0.5}
"""How a held-out split is shared out where a data set publishes only one."""

SftOn = Literal["chosen", "both"]
SFT_ON: tuple[SftOn, ...] = ("chosen", "both")

BadRows = Literal["error", "drop"]
BAD_ROWS: tuple[BadRows, ...] = ("error", "drop")
"""What becomes of a row that cannot be used: it stops the run, or is passed over and counted by what is wrong."""


@runtime_checkable
class Dataset(Protocol):
    """Any data set; the objective's kind of rows says what else it must have."""

    limit: int | None
    """Rows, at most; None for all."""


@runtime_checkable
class SummaryDataset(Protocol):
    """Documents with summaries, for SFT and for evaluation."""

    limit: int | None

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The rows of one split.

        Raises:
            UserError: naming the file, row or column that cannot be used.
        """
        ...


class MissingPairs(UserError):
    """The rows are no pairs at all: they have no column chosen."""


def one_per_document(rows: Sequence[SummaryRow], empty: str) -> list[SummaryRow]:
    """The first row of each document, in order: what there is to summarise.

    Args:
        empty: what becomes of a document without text (tokens.empty): drop, and say how many, or error.

    Raises:
        UserError: a document is without text, and that is an error; names the first.
    """
    first: dict[Any, SummaryRow] = {}
    for row in rows:
        first.setdefault(row.messages or row.document, row)
    blank = [row for row in rows if not row.document.strip()]
    if blank:
        place = blank[0].place or f"row {blank[0].id}"
        require(empty == "drop", f"{place}: the document is empty (tokens.empty=drop drops it)")
        log.info(f"{len(blank)} of {len(rows)} rows are dropped: the document is empty ({place} the first)")
    return [row for row in first.values() if row.document.strip()]


@runtime_checkable
class PairDataset(Protocol):
    """Documents with a chosen and a rejected summary, for preference optimization."""

    limit: int | None

    def pairs(self, split: Split) -> list[PairRow]:
        """The rows of one split.

        Raises:
            UserError: naming the file, row or column that cannot be used.
        """
        ...


@runtime_checkable
class LabelledDataset(Protocol):
    """Documents with a summary each that is labelled good or bad."""

    limit: int | None

    def labelled(self, split: Split) -> list[LabelledRow]:
        """The rows of one split.

        Raises:
            UserError: naming the file, row or column that cannot be used.
        """
        ...


def labelled_rows(pairs: Sequence[PairRow]) -> list[LabelledRow]:
    """Two labelled rows a pair: the chosen summary as good, the rejected one as bad."""

    def side(pair: PairRow, name: str, label: bool) -> LabelledRow:
        text, score = pair.completions[name], dict(zip(pair.completions, pair.scores, strict=True))[name]
        return LabelledRow(
            f"{pair.id}/{name}", pair.document, text, label, score, pair.references, pair.prompt, pair.place,
            messages=pair.messages,
        )  # fmt: skip

    return [side(pair, name, name == "chosen") for pair in pairs for name in pair.completions]


def assign_splits(keys: Iterable[str], shares: Mapping[Split, float], seed: int) -> dict[str, Split]:
    """The split of each distinct key (a document, a post id), whatever the order and number of the rows that name it.

    The keys are ranked by a hash of seed and key, and the ranking is cut at the shares: sizes are exact, a share above
    0 gets at least one key while there are keys, and the last split takes what rounding leaves. Keys that are added
    later move only those beside a cut. A blank key is no document, and always falls to the last split.
    """
    found = set(keys)
    ranked = sorted(filter(str.strip, found), key=lambda key: hashlib.sha256(f"{seed}\n{key}".encode()).digest())
    *first, last = shares
    split_of: dict[str, Split] = dict.fromkeys(found, last)
    start = 0
    for split in first:
        size = max(1, round(shares[split] * len(ranked))) if shares[split] > 0 else 0
        split_of |= dict.fromkeys(ranked[start : start + size], split)
        start += size
    return split_of


def summary_rows(
    pairs: Sequence[PairRow], sft_on: SftOn, references: Mapping[str, tuple[str, ...]] | None = None
) -> list[SummaryRow]:
    """Pairs as summaries to imitate: the chosen one of each, or both, each (document, summary) once.

    `references` are those that the source gives, by document. A document without any has its distinct chosen summaries,
    the one with most wins over losses first.
    """
    known = {**ranked_chosen(pairs), **(references or {})}
    rows: dict[Any, SummaryRow] = {}
    for pair in pairs:
        sides = ((pair.id, pair.chosen), (f"{pair.id}/rejected", pair.rejected))
        for name, summary in sides if sft_on == "both" else sides[:1]:
            row = SummaryRow(
                name, pair.document, summary, known[pair.document], pair.prompt, pair.place, messages=pair.messages
            )
            rows.setdefault((pair.document, pair.prompt, pair.messages, summary), row)
    return list(rows.values())


class _WithPairs(Protocol):
    @property
    def sft_on(self) -> SftOn: ...

    def pairs(self, split: Split) -> list[PairRow]: ...


def summaries_of_pairs(dataset: _WithPairs, split: Split) -> list[SummaryRow]:
    """The chosen answers of one split, or both (`sft_on`), each (prompt, answer) once, for SFT and for evaluation.

    A data set of pairs has it as its method: `summaries = summaries_of_pairs`.

    Raises:
        UserError: as `pairs`.
    """
    return summary_rows(dataset.pairs(split), dataset.sft_on)


def ranked_chosen(pairs: Sequence[PairRow]) -> dict[str, tuple[str, ...]]:
    """The distinct chosen summaries of each document, by wins minus losses; blank ones left out."""
    balance: Counter[tuple[str, str]] = Counter()
    chosen: dict[str, dict[str, None]] = {}
    for pair in pairs:
        balance[pair.document, pair.chosen] += 1
        balance[pair.document, pair.rejected] -= 1
        chosen.setdefault(pair.document, {}).update(dict.fromkeys(filter(str.strip, [pair.chosen])))
    return {
        document: tuple(sorted(texts, key=lambda text: balance[document, text], reverse=True))
        for document, texts in chosen.items()
    }


def with_unique_ids(rows: Sequence[R]) -> list[R]:
    """The rows; one whose id another has before it gets `#<its position>` behind it."""
    ids = unique_ids(row.id for row in rows)
    return [row if row.id == name else replace(row, id=name) for row, name in zip(rows, ids, strict=True)]


def halved(rows: Sequence[R], split: Split, seed: int) -> list[R]:
    """The rows of the one held-out split that a data set publishes whose document falls to `split`."""
    split_of = assign_splits((row.document for row in rows), HALVES, seed)
    return [row for row in rows if split_of[row.document] == split]


def unique_ids(names: Iterable[str]) -> list[str]:
    """The names in their order, a repeated one with `#<its position>` behind it."""
    taken: dict[str, None] = {}
    for position, name in enumerate(names):
        while name in taken:
            name = f"{name}#{position}"
        taken[name] = None
    return list(taken)


def text_id(text: str) -> str:
    """A short id for a text that its source gives none: the beginning of its hash."""
    return f"text-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def require_source(dataset: Any) -> None:
    """Guards the fields that data sets in a folder or on the Hub share, those of them that `dataset` has."""
    require_path(dataset.path, "a file or a folder of rows, or a Hub id (owner/name)")
    require_limit(dataset.limit)
    require_choice("dataset.bad_rows", dataset.bad_rows, BAD_ROWS)
    if hasattr(dataset, "seed"):
        require_seed(dataset.seed)


def require_path(path: Any, what: str) -> None:
    """Guards a data set's `path`: text that is not blank; `what` says what it may name."""
    require(
        isinstance(path, str) and bool(path.strip()), f"path must be {what}, got {path!r} (config key dataset.path)"
    )


def require_limit(limit: Any) -> None:
    """Guards a data set's `limit`."""
    require_count("limit", limit)


def require_count(name: str, count: Any) -> None:
    """Guards a field of a data set: null or a whole number of rows, at least 1."""
    is_whole = isinstance(count, int) and not isinstance(count, bool)
    require(
        count is None or (is_whole and count >= 1),
        f"{name} must be null or a whole number >= 1, got {count!r} (config key dataset.{name})",
    )


def require_seed(seed: Any) -> None:
    """Guards a data set's `seed`: a whole number."""
    is_whole = isinstance(seed, int) and not isinstance(seed, bool)
    require(is_whole, f"seed must be a whole number, got {seed!r} (config key dataset.seed)")


def name_of(dataset: Any) -> str:
    """A data set as a report names it: its class, and its path where it has one."""
    name, path = type(dataset).__name__, getattr(dataset, "path", None)
    return f"{name} {Path(path).name}" if path else name
