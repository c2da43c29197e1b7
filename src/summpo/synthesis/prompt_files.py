"""Prompts for a teacher as plain text files with named placeholders. Text in, text out: knows no model and no mode.

A prompt is one that comes with summpo, by its name, or a file of your own, by its path. `{name}`, of letters, digits
and underscores, is a placeholder; every other brace stands for itself, in the file as in what is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from summpo.errors import FieldError, require_field

PACKAGED = Path(__file__).parent / "prompts"
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class PromptFile:
    """The text of a prompt, its placeholders checked."""

    name: str
    """The name or path by which it was chosen."""
    text: str

    @property
    def hash(self) -> str:
        """SHA-256 of the text, hex: two runs with one hash asked the same thing."""
        return sha256(self.text.encode()).hexdigest()

    def filled(self, values: Mapping[str, object]) -> str:
        """The text with a value in the place of each placeholder; braces in a value stay as they are."""
        return PLACEHOLDER.sub(lambda found: str(values[found[1]]), self.text)


def read_prompt(name: str, key: str, required: Collection[str], optional: Collection[str] = ()) -> PromptFile:
    """Reads and checks a prompt.

    Args:
        name: one of `packaged_prompts`, or the path of a file in UTF-8.
        key: the config key, for a sentence about it.
        required: the placeholders that it must have, each at least once.
        optional: those that it may have.

    Raises:
        FieldError: there is no such file, it cannot be read, lacks a placeholder or has one that is not known.
    """
    packaged = name in packaged_prompts()
    path = PACKAGED / f"{name}.txt" if packaged else Path(name).expanduser()
    have = ", ".join(packaged_prompts())
    require_field(key, path.is_file(), f"there is no prompt {name}: neither a file nor one of {have}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FieldError(f"the prompt {path} is not UTF-8", key) from None
    except OSError as error:
        raise FieldError(f"the prompt {path} cannot be read: {(error.strerror or str(error)).lower()}", key) from None
    text = text.replace("\r\n", "\n").strip()
    found = set(PLACEHOLDER.findall(text))
    lacks = [one for one in required if one not in found]
    require_field(key, not lacks, f"the prompt {name} lacks the placeholder {_braced(lacks)}")
    known = [*required, *optional]
    unknown = sorted(found.difference(known))
    require_field(
        key,
        not unknown,
        f"the prompt {name} has the placeholder {_braced(unknown)}, which nothing fills; there are {_braced(known)}",
    )
    return PromptFile(name, text)


def in_json(name: str, asks_for_json: bool) -> str:
    """The prompt of ours that asks for the same as JSON, where an answer is to be JSON; any other prompt as it is."""
    twin = f"{name}_json"
    return twin if asks_for_json and twin in packaged_prompts() else name


def packaged_prompts() -> list[str]:
    """The names of the prompts that come with summpo."""
    return sorted(path.stem for path in PACKAGED.glob("*.txt"))


def _braced(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
