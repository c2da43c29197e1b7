"""Source rows read strictly, JSONL's above all: every line a JSON object, every column of the type that is asked for.

What is wrong is a `RowFault` that names the file, the line and the column. Knows no data set: which columns there are
is the caller's business.
"""

import codecs
import json
import re
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require

HALF_PAIR = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: JSON can escape it, no encoder or tokenizer takes it."""


class RowFault(UserError):
    """One row that cannot be used, and why."""

    def __init__(self, place: str, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place = place
        self.kind = re.split(r", got | \(", sentence, maxsplit=1)[0]
        """The sentence without the row's own values, by which rows are counted."""


class LeftOut(RowFault):
    """A row that a data set is known to have and that teaches nothing, or something wrong: passed over, counted."""

    def __init__(self, place: str, sentence: str) -> None:
        super().__init__(place, sentence)
        self.kind = sentence


class Cell(str):
    """Text of a source that holds text alone (CSV): it may spell a number."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as its source holds it. A column may be a path into nested values: `info.post`, `summaries.0.text`."""

    place: str
    """Where the row lies, as errors name it: "train.jsonl, line 3"."""
    number: int
    """Its number in the source, over all its files: of a line, from 1; of a row of an array or a table, from 0."""
    columns: Mapping[str, Any]

    def fault(self, sentence: str) -> RowFault:
        """The error to raise for this row."""
        return RowFault(self.place, sentence)

    def layout(self, column: str) -> str:
        """In parentheses what this may be, where it is no row with such a column but a whole table; else nothing."""
        is_absent = column.split(".")[0] not in self.columns
        for name, value in self.columns.items() if is_absent else ():
            if isinstance(value, list) and value and all(map(_is_row, value)):
                return f" (are the rows those under {name}? then give that list alone, as a JSON array)"
        shapes = {_shape_of_column(value) for value in self.columns.values()}
        is_table = len(self.columns) > 1 and len(shapes) == 1 and None not in shapes
        return " (a table by columns: give one object a row)" if is_table else ""

    def left_out(self, why: str) -> LeftOut:
        """The same for what a data set is known to have."""
        return LeftOut(self.place, why)

    def value(self, column: str) -> Any:
        """What the column holds, of whatever type; None where it is null or absent."""
        value: Any = self.columns
        if column in value:
            return value[column]
        for step in column.split("."):
            if isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value

    def optional_text(self, column: str) -> str | None:
        """Text, or None where the column is null or absent.

        Raises:
            UserError: it holds something else, or half of a surrogate pair.
        """
        value = self.value(column)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.fault(f"column {column} must be text, got {reprlib.repr(value)}{self.layout(column)}")
        if found := HALF_PAIR.search(value):
            raise self.fault(f"column {column} holds half of a surrogate pair, {found[0]!a}")
        return value

    def text(self, column: str) -> str:
        """Text, perhaps empty.

        Raises:
            UserError: the column is missing, null or no text.
        """
        text = self.optional_text(column)
        if text is None:
            raise self.fault(f"column {column} is missing or null{self.layout(column)}")
        return text

    def filled_text(self, column: str) -> str:
        """Text with more than white space in it.

        Raises:
            UserError: the column is missing, null, no text or blank.
        """
        text = self.text(column)
        if not text.strip():
            raise self.fault(f"column {column} is empty")
        return text

    def texts(self, column: str) -> list[str]:
        """A list of texts, at least one.

        Raises:
            UserError: the column is missing, null, empty, no list, or holds something that is no text.
        """
        value = self.value(column)
        if value is None:
            raise self.fault(f"column {column} is missing or null")
        if not isinstance(value, list) or not value:
            raise self.fault(f"column {column} must be a list of texts, got {reprlib.repr(value)}")
        return [self.text(f"{column}.{index}") for index in range(len(value))]

    def sentences(self, column: str) -> str:
        """A list of texts as one, joined by spaces; of an empty list an empty one.

        Raises:
            UserError: the column is missing, null, no list, or holds something that is no text.
        """
        return "" if self.value(column) == [] else " ".join(self.texts(column))

    def optional_number(self, column: str) -> float | None:
        """A finite number, or None where the column is null or absent.

        Raises:
            UserError: it holds something else, such as the NaN and Infinity that Python's JSON reader lets through.
        """
        value: Any = self.value(column)
        if isinstance(value, str):
            value = spelt_number(value)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or abs(value) > sys.float_info.max or value != value:
            raise self.fault(f"column {column} must be a finite number, got {reprlib.repr(value)}")
        return float(value)

    def optional_id(self, column: str) -> str | None:
        """An id: text, or a whole number that becomes text; None where the column is null or absent.

        Raises:
            UserError: it holds something else.
        """
        value = self.value(column)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return None if isinstance(value, Cell) and not value else self.optional_text(column)

    def optional_choice(self, column: str) -> int | None:
        """Which of two: 0 or 1; None where the column is null or absent.

        Raises:
            UserError: it holds something else.
        """
        value = self.value(column)
        if isinstance(value, Cell):
            value = {"0": 0, "1": 1, "": None}.get(value, value)
        if value is None or (type(value) is int and value in (0, 1)):
            return value
        raise self.fault(f"column {column} must be 0 or 1, got {reprlib.repr(value)}")

    def choice(self, column: str) -> int:
        """Which of two: 0 or 1.

        Raises:
            UserError: the column is missing, null or holds something else.
        """
        value = self.optional_choice(column)
        if value is None:
            raise self.fault(f"column {column} must be 0 or 1, got None")
        return value


def _is_row(value: Any) -> bool:
    """Whether a value is an object, and no message."""
    return isinstance(value, Mapping) and not {"role", "from", "speaker"} & set(value)


def _shape_of_column(value: Any) -> Any:
    """What the columns of a table have in common, where one holds all rows: their number, or their names."""
    if isinstance(value, Mapping):
        return tuple(value) or None
    holds_cells = isinstance(value, list) and not any(isinstance(each, Mapping) for each in value)
    return len(value) or None if holds_cells else None


SourceRows = Iterable[SourceRow | RowFault]
"""Rows of a source, or why one of them is none."""


def spelt_number(text: str) -> Any:
    """The number that a text spells; None of an empty one, the text itself of any other."""
    try:
        return float(text) if text else None
    except ValueError:
        return text


def read_jsonl(path: Path) -> list[SourceRow]:
    """The rows of a plain JSONL file, in order.

    Raises:
        UserError: the file cannot be read or holds no row; a line, given by its number, is not UTF-8, not JSON or no
            object.
    """
    try:
        with path.open("rb") as lines:
            rows = list(strictly(json_lines(lines, str(path))))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    require(bool(rows), f"{path} is empty")
    return rows


def strictly(rows: SourceRows) -> Iterator[SourceRow]:
    """The rows, all of them.

    Raises:
        RowFault: the first that is none.
    """
    for row in rows:
        if isinstance(row, RowFault):
            raise row
        yield row


def json_lines(lines: Iterable[bytes], file: str) -> Iterator[SourceRow | RowFault]:
    """The row of each line. Blank lines are passed over; a byte order mark is no part of the first line.

    Lines end at b"\\n" alone, not at the other characters that JSON allows inside a string.
    """
    for number, line in enumerate(lines, start=1):
        spelt = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if spelt.strip():
            try:
                yield row_of_line(spelt.rstrip(b"\r\n"), f"{file}, line {number}", number)
            except RowFault as fault:
                yield fault


def row_of_line(line: bytes, place: str, number: int) -> SourceRow:
    """The row that a line spells.

    Raises:
        RowFault: it is not UTF-8, not JSON or no object; the sentence begins with the place.
    """
    return row_of(parsed(line, place), place, number)


def parsed(content: bytes, place: str) -> Any:
    """What JSON spells.

    Raises:
        RowFault: it is not UTF-8 or not JSON; the sentence begins with the place.
    """
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        found = f"byte 0x{content[error.start]:02x} at {error.start + 1}"
        raise RowFault(place, f"not UTF-8 ({found})") from error
    except json.JSONDecodeError as error:
        where = f"character {error.colno}" if error.lineno == 1 else f"line {error.lineno}, character {error.colno}"
        raise RowFault(place, f"malformed JSON ({error.msg} at {where})") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets nested without end
        raise RowFault(place, f"malformed JSON ({error})") from error


def row_of(columns: Any, place: str, number: int) -> SourceRow:
    """The row of a JSON value.

    Raises:
        RowFault: it is no object.
    """
    if not isinstance(columns, dict):  # no `require`, which has each row's sentence made, a third of the reading
        raise RowFault(place, f"must be a JSON object, got {reprlib.repr(columns)}")
    return SourceRow(place, number, columns)
