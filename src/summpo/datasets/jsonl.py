"""Your own data: a file of rows, a folder with one a split, or a data set on the Hub; its columns say what they are.

Summaries: {document, summary}. Pairs: {document or prompt, chosen, rejected}. Labelled: {document or prompt, summary or
completion, label}, or a score in place of the label. All may have: id, prompt (a ready
prompt that replaces the template), reference (text) or references (list); pairs also score_chosen, score_rejected and
source (where the document comes from, for `summpo inspect`). Conversations and instructions: see `row_shapes`. How rows
are read that are neither, and which of their columns are not, is said in one line.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from summpo.datasets import (
    BAD_ROWS,
    SFT_ON,
    SPLITS,
    BadRows,
    MissingPairs,
    SftOn,
    Split,
    assign_splits,
    labelled_rows,
    require_limit,
    require_path,
    require_seed,
    summary_rows,
    with_unique_ids,
)
from summpo.datasets.shapes.conversations import with_messages_read
from summpo.datasets.shapes.row_shapes import (
    COLUMNS,
    RowPrompt,
    is_unwanted,
    label_in,
    other_names,
    pair_in,
    reading_lines,
    references_in,
    score_of,
    summary_in,
    unread,
)
from summpo.datasets.shapes.usable_rows import say_once, train_limit, usable
from summpo.errors import UserError, require, require_choice, require_number
from summpo.files.hub_or_folder import has_split, read_split, read_whole
from summpo.files.jsonl import RowFault, SourceRow, SourceRows
from summpo.text.rows import LabelledRow, PairRow, SummaryRow, TextRow

log = logging.getLogger(__name__)

R = TypeVar("R", bound=TextRow)


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """One row a line. What has no splits of its own is cut by document, so that no document is in two of them."""

    path: str
    """Required: a file (JSONL, a JSON array, CSV, Parquet, Arrow; .gz, .zst, .xz, .bz2), a folder with one for each of
    train, validation and test, or a Hub id."""
    columns: Mapping[str, str | None] | None = field(default=None, hash=False)
    """Your names for the columns: {document: article, summary: highlights}; {prompt: null} = a column not to read."""
    splits: Mapping[str, str] | None = field(default=None, hash=False)
    """Your names for the splits of a folder or on the Hub: {train: train_prefs, validation: test_prefs}."""
    sft_on: SftOn = "chosen"
    """What SFT imitates where the rows are pairs or labelled: chosen = the better summaries, both = the worse ones
    too."""
    validation_fraction: float = 0.1
    """The part of a single file's documents, or of train's where a folder has no validation, that is held out for it; 0
    = none."""
    test_fraction: float = 0.1
    """The part of a single file's documents that is held out for the test; 0 = none."""
    seed: int = 0
    """Seed of the cut: decides which documents go where."""
    limit: int | None = None
    """Rows a split, at most; null = all."""
    threshold: float | None = None
    """Labelled rows: a score of at least this much is a label of true; null = the column label is read."""
    bad_rows: BadRows = "error"
    """A row that cannot be used: error = stop; drop = leave it out, say how many there are of each kind, and where."""

    def __post_init__(self) -> None:
        require_path(self.path, "a file of rows, a folder of them or a Hub id (owner/name)")
        require_names("columns", self.columns, COLUMNS)
        require_names("splits", self.splits, SPLITS)
        require_choice("dataset.sft_on", self.sft_on, SFT_ON)
        require_choice("dataset.bad_rows", self.bad_rows, BAD_ROWS)
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
        if self.threshold is not None:
            require_number("dataset.threshold", self.threshold)

    def summaries(self, split: Split) -> list[SummaryRow]:
        """The rows of one split as summaries; pairs give each (document, summary) once.

        The references of a document are those that its rows name, else its summaries (of pairs: the chosen ones).

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """

        def either(row: SourceRow) -> tuple[RowPrompt, SummaryRow | PairRow]:
            if row.value("chosen") is not None and row.value("summary") is None:
                return self._pair(row)
            if self.sft_on == "chosen" and is_unwanted(row):
                raise row.left_out("labelled false, not to be imitated (dataset.sft_on=both takes it)")
            return self._summary(row)

        rows = self._rows(split, either)
        references = references_of(rows)
        pairs = [row for row in rows if isinstance(row, PairRow)]
        summaries = [row for row in rows if isinstance(row, SummaryRow)]
        texts: dict[str, dict[str, None]] = {}
        for row in summaries:
            texts.setdefault(row.document, {})[row.summary] = None
        own = {document: tuple(filter(str.strip, found)) for document, found in texts.items()} | references
        found = [replace(row, references=own[row.document]) for row in summaries]
        return [*found, *summary_rows(pairs, self.sft_on, references)]

    def pairs(self, split: Split) -> list[PairRow]:
        """The rows of one split as pairs.

        Raises:
            MissingPairs: no row has a column chosen.
            UserError: naming the file, line or column that cannot be used.
        """
        lacking: list[SourceRow] = []
        has_pairs = False

        def pair(row: SourceRow) -> tuple[RowPrompt, PairRow]:
            nonlocal has_pairs
            if row.value("chosen") is None:
                lacking.append(row)
            else:
                has_pairs = True
            return self._pair(row)

        try:
            rows = self._rows(split, pair)
        except UserError as error:
            if lacking and not has_pairs:
                text = "column chosen is missing or null: no pair"
                names = "chosen: ..., rejected"
                raise MissingPairs(f"{lacking[0].place}: {text}{other_names(lacking[0], names)}") from error
            raise
        references = references_of(rows)
        return [replace(row, references=references.get(row.document, ())) for row in rows]

    def labelled(self, split: Split) -> list[LabelledRow]:
        """The rows of one split as labelled summaries; a pair gives two, one of either label.

        Raises:
            UserError: naming the file, line or column that cannot be used.
        """

        def either(row: SourceRow) -> tuple[RowPrompt, LabelledRow | PairRow]:
            is_pair = row.value("chosen") is not None and row.value("label") is None
            return self._pair(row) if is_pair else self._labelled(row)

        rows = self._rows(split, either)
        references = references_of(rows)
        found = [one for row in rows for one in (labelled_rows([row]) if isinstance(row, PairRow) else [row])]
        return [replace(row, references=references.get(row.document, ())) for row in found]

    def _labelled(self, row: SourceRow) -> tuple[RowPrompt, LabelledRow]:
        """How a row is read as a labelled summary, and that, with the references that it names itself."""
        label, (asked, summary) = label_in(row, self.threshold), self._summary(row)
        return asked, LabelledRow(
            id=summary.id,
            document=summary.document,
            summary=summary.summary,
            label=label,
            score=row.optional_number("score"),
            references=summary.references,
            prompt=summary.prompt,
            place=summary.place,
            messages=summary.messages,
        )

    def _pair(self, row: SourceRow) -> tuple[RowPrompt, PairRow]:
        """How a row is read as a pair, and the pair, with the references that it names itself."""
        asked, chosen, rejected = pair_in(row)
        return asked, PairRow(
            id=row.optional_id("id") or f"row-{row.number}",
            document=asked.document,
            chosen=chosen,
            rejected=rejected,
            score_chosen=score_of(row, "chosen"),
            score_rejected=score_of(row, "rejected"),
            references=references_in(row),
            prompt=asked.prompt,
            source=row.optional_id("source"),
            place=row.place,
            messages=asked.messages,
        )

    def _summary(self, row: SourceRow) -> tuple[RowPrompt, SummaryRow]:
        """How a row is read as a summary, and the summary, with the references that it names itself."""
        asked, summary = summary_in(row)
        return asked, SummaryRow(
            id=row.optional_id("id") or f"row-{row.number}",
            document=asked.document,
            summary=summary,
            references=references_in(row),
            prompt=asked.prompt,
            place=row.place,
            messages=asked.messages,
        )

    def _usable(
        self, rows: SourceRows, make: Callable[[SourceRow], tuple[RowPrompt, R]], limit: int | None = None
    ) -> list[R]:
        """What is made of the rows that can be used; how they were read is said, and what of them was not."""
        named = {theirs.split(".")[0] for theirs in (self.columns or {}).values() if theirs}

        def read(row: SourceRow) -> tuple[str | None, list[str], R]:
            asked, made = make(row)
            return asked.said, unread(row, {*asked.columns, *named}), made

        found = usable(self, self._named(rows), read, limit)
        for sentence in reading_lines(self.path, (each[:2] for each in found)):
            say_once(sentence)
        return with_unique_ids([made for *_, made in found])

    def _rows(self, split: Split, make: Callable[[SourceRow], tuple[RowPrompt, R]]) -> list[R]:
        name = (self.splits or {}).get
        whole = read_whole(Path(self.path).expanduser())
        shares: dict[Split, float] = {"validation": self.validation_fraction, "test": self.test_fraction}
        if whole is not None:
            require(not self.splits, f"{self.path} has no splits to name, it is cut (config key dataset.splits)")
            rows = whole
        elif split == "test" or not self.validation_fraction or has_split(self.path, name("validation", "validation")):
            return self._usable(read_split(self.path, name(split, split)), make, train_limit(self, split))
        else:
            rows = read_split(self.path, name("train", "train"))
            del shares["test"]
            if split == "validation":
                share = f"{self.validation_fraction:.3g} of train's documents"
                log.info(f"{self.path} has no file for validation: {share} are held out for it")
        shares["train"] = 1 - sum(shares.values())
        if shares[split] == 0:
            return []
        limit = train_limit(self, split)
        if shares["train"] == 1:
            return self._usable(rows, make, limit)
        made = self._usable(rows, make)  # whole, for where a document goes depends on all of them
        split_of = assign_splits((row.document for row in made), shares, self.seed)
        part = [row for row in made if split_of[row.document] == split]
        require(
            bool(part),
            f"{self.path} has {len(split_of)} distinct documents, too few to leave one for {split}: add rows, set "
            "dataset.validation_fraction or dataset.test_fraction to 0, or give a folder with a file for each split",
        )
        return part[:limit]

    def _named(self, rows: SourceRows) -> SourceRows:
        """The rows with their columns under the names that are read."""
        is_first = True
        for row in rows:
            if isinstance(row, RowFault) or not self.columns:
                yield row if isinstance(row, RowFault) else with_messages_read(row)
                continue
            for theirs in filter(None, self.columns.values()) if is_first else ():
                has = theirs in row.columns or theirs.split(".")[0] in row.columns
                known = ", ".join(map(str, row.columns))
                require(has, f"{row.place}: there is no column {theirs}, only {known} (config key dataset.columns)")
            is_first = False
            given = {ours: row.value(theirs) if theirs else None for ours, theirs in self.columns.items()}
            yield with_messages_read(replace(row, columns={**row.columns, **given}))


def references_of(rows: Sequence[TextRow]) -> dict[str, tuple[str, ...]]:
    """The distinct references that the rows of each document name, for the documents that have any."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.references:
            found.setdefault(row.document, {}).update(dict.fromkeys(row.references))
    return {document: tuple(texts) for document, texts in found.items()}


def require_names(key: str, names: object, known: Sequence[str]) -> None:
    """Guards a field that gives other names to known ones: {known name: other name}.

    Raises:
        UserError: it is no mapping, or one of its names is not known or not text.
    """
    ours = ", ".join(known)
    require(
        names is None or isinstance(names, Mapping),
        f"{key} must be null or names such as {{{known[0]}: a name}}, got {names!r} (config key dataset.{key})",
    )
    for name, other in (names or {}).items():  # type: ignore[union-attr]
        require(name in known, f"{key} gives names to {ours}, not to {name} (config key dataset.{key})")
        is_name = (isinstance(other, str) and bool(other.strip())) or (other is None and key == "columns")
        require(is_name, f"{key} must give {name} a name, got {other!r} (config key dataset.{key}.{name})")
