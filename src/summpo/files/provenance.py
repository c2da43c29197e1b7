"""The one way to ask "is it there already, from these inputs?": what a thing was made from, kept as JSON beside it.

The inputs are settings, fingerprints of data, weights and code, and versions. Whoever asks says what the answer means:
the thing serves again, is gone on with, is refused with a sentence, or is made anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require


@dataclass(frozen=True, eq=False)
class Provenance:
    """What decides a thing, by name. Two that are equal have one key, and no difference is found between them.

    A null and an empty mapping say no more than a name that is missing: what was made before a setting was thought of
    still serves where the setting is off. 1 and 1.0 are one number; the order of names plays no part.
    """

    inputs: Mapping[str, Any]
    """Mappings, lists, text, numbers, truth values, nulls; frozen dataclasses become mappings, with their class.

    Any other value is refused: what has no stable text makes a key that no later process finds.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", json.loads(json.dumps(self.inputs, default=_fields_of)))

    @property
    def key(self) -> str:
        """SHA-256 (hex) of what the inputs say."""
        return sha256(json.dumps(_what_is_said(self.inputs), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Provenance) and self.key == other.key


@dataclass(frozen=True)
class Difference:
    """An input that is not as it was."""

    key: str
    """With those that it lies in: optimizer.lr."""
    was: Any
    now: Any

    @property
    def is_fingerprint(self) -> bool:
        return any(re.fullmatch("[0-9a-f]{64}", str(value)) for value in (self.was, self.now))

    def __str__(self) -> str:
        """For a sentence: lr=0.1, not 0.2; of a fingerprint, which tells a reader nothing, the name alone."""
        name = re.sub(r"^(config|made_from)\.", "", self.key)  # a record's sections
        return f"{name} other than now" if self.is_fingerprint else f"{name}={self.was}, not {self.now}"


def differences(was: Provenance, now: Provenance) -> list[Difference]:
    """What differs between two, by name; a list is one value.

    First what tells a reader most: settings that both say, then those that one says, then fingerprints.
    """
    found = _walk(_what_is_said(was.inputs), _what_is_said(now.inputs))
    return sorted(found, key=lambda one: (one.is_fingerprint, one.was is None or one.now is None))


def read_record(file: Path) -> dict[str, Any] | None:
    """The JSON that lies beside a thing and says, among more, what it was made from; None where there is no file.

    Raises:
        UserError: naming the file: it cannot be read, or holds no JSON object.
    """
    try:
        return json_object(str(file), file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None


def json_object(place: str, text: str) -> dict[str, Any]:
    """The JSON object that a text is.

    Raises:
        UserError: naming the place.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UserError(f"{place} is not valid JSON: {error}") from None
    require(isinstance(values, dict), f"{place} must be a JSON object, got {text[:40]!r}")
    return values


def read_record_if_whole(file: Path) -> dict[str, Any]:
    """The same; empty where there is none, or a torn or foreign one: for what is made anew then."""
    try:
        return read_record(file) or {}
    except UserError:
        return {}


def _fields_of(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **asdict(value)}
    raise TypeError(f"a provenance takes plain data, got {type(value).__name__}")


def _what_is_said(value: Any) -> Any:
    """JSON data without what says nothing, each number in its shortest form."""
    if isinstance(value, dict):
        said = {name: _what_is_said(inner) for name, inner in value.items()}
        return {name: inner for name, inner in said.items() if inner is not None and inner != {}}
    if isinstance(value, list):
        return [_what_is_said(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _walk(was: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Iterator[Difference]:
    for name in sorted(was.keys() | now.keys()):
        one, other = was.get(name, {}), now.get(name, {})
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _walk(one, other, f"{within}{name}.")
        elif json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
            yield Difference(within + name, *(None if value == {} else value for value in (one, other)))
