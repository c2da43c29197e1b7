"""JSONL files read strictly: every line a JSON object, every column of the type that is asked for.

What is wrong raises a `UserError` that names the file, the line and the column. Knows no data set: which columns there
are is the caller's business.
"""

import codecs
import gzip
import json
import re
import reprlib
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require

HALF_PAIR = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: JSON can escape it, no encoder or tokenizer takes it."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as its source holds it. A column may be a path into nested values: `info.post`, `summaries.0.text`."""

    place: str
    """Where the row lies, as errors name it: "train.jsonl, line 3"."""
    number: int
    """Its number in the source: the line, from 1, in a file; the row, from 0, on the Hub."""
    columns: Mapping[str, Any]

    def fault(self, sentence: str) -> UserError:
        """The error to raise for this row."""
        return UserError(f"{self.place}: {sentence}")

    def value(self, column: str) -> Any:
        """What the column holds, of whatever type; None where it is null or absent."""
        value: Any = self.columns
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
            raise self.fault(f"column {column} must be text, got {reprlib.repr(value)}")
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
            raise self.fault(f"column {column} is missing or null")
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

    def optional_number(self, column: str) -> float | None:
        """A finite number, or None where the column is null or absent.

        Raises:
            UserError: it holds something else, such as the NaN and Infinity that Python's JSON reader lets through.
        """
        value = self.value(column)
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
        return self.optional_text(column)


def read_jsonl(path: Path) -> list[SourceRow]:
    """The rows of a JSONL file, in order; a .gz is unpacked.

    Blank lines are passed over; a byte order mark is no part of the first line.

    Raises:
        UserError: the file cannot be read or holds no row; a line, given by its number, is not UTF-8, not JSON or no
            object.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:  # the last two: a .gz that is cut short or spoilt
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    # Not str.splitlines, which also breaks lines at characters that JSON allows inside a string.
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    rows = [
        row_of_line(line, f"{path}, line {number}", number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    require(bool(rows), f"{path} is empty")
    return rows


def row_of_line(line: bytes, place: str, number: int) -> SourceRow:
    """The row that a line spells.

    Raises:
        UserError: it is not UTF-8, not JSON or no object; the sentence begins with the place.
    """
    try:
        columns = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: not UTF-8 (byte 0x{line[error.start]:02x} at {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{place}: malformed JSON ({error.msg} at character {error.colno})") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets nested without end
        raise UserError(f"{place}: malformed JSON ({error})") from error
    if not isinstance(columns, dict):  # no `require`, which has each row's sentence made, a third of the reading
        raise UserError(f"{place}: must be a JSON object, got {reprlib.repr(columns)}")
    return SourceRow(place, number, columns)
