"""JSON objects in files, asked for by key and type: every complaint names the file and the key. Knows no key."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require
from summpo.files.provenance import read_record


def read_object(file: Path, origin: str) -> Fields:
    """The JSON object in a file.

    Raises:
        UserError: naming the file: it is missing, of which `origin` says where it comes from, or malformed.
    """
    values = read_record(file)
    if values is None:
        raise UserError(f"{file} is missing: {origin}")
    return Fields(str(file), values)


@dataclass(frozen=True)
class Fields:
    """The values of one JSON object, asked for by key and type; every complaint names the place and the key."""

    place: str
    values: dict[str, Any]

    def known(self) -> list[str]:
        """The keys whose value is not null."""
        return [key for key, value in self.values.items() if value is not None]

    def text(self, key: str) -> str:
        value = self.values.get(key)
        require(isinstance(value, str), f"{self.place}: {key} must be a text, got {value!r}")
        return str(value)

    def number(self, key: str) -> float:
        value = self.values.get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        require(is_number, f"{self.place}: {key} must be a finite number, got {value!r}")
        return float(self.values[key])

    def numbers(self, key: str) -> dict[str, float]:
        record = self.record(key)
        return {name: record.number(name) for name in record.values}

    def optional_number(self, key: str) -> float | None:
        return None if self.values.get(key) is None else self.number(key)

    def interval(self, key: str) -> tuple[float, float]:
        value = self.values.get(key)
        require(isinstance(value, list) and len(value) == 2, f"{self.place}: {key} must be [low, high], got {value!r}")
        low, high = (Fields(self.place, {key: bound}).number(key) for bound in self.values[key])
        require(low <= high, f"{self.place}: {key} must be [low, high], got {value!r}")
        return low, high

    def record(self, key: str) -> Fields:
        value = self.values.get(key)
        require(isinstance(value, dict), f"{self.place}: {key} must be an object, got {value!r}")
        return Fields(f"{self.place}, {key}", self.values[key])
