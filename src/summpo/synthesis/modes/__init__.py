"""Modes: what a teacher is asked about a document, and what makes its answers a pair.

One frozen dataclass a file, one yaml in conf/mode beside it. A mode makes tasks of documents; it sends nothing and
keeps nothing. Its prompts are files (`summpo.synthesis.prompt_files`), whose hashes say what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from summpo.errors import require_field, require_number
from summpo.synthesis.answers import REASONS as ANSWER_REASONS
from summpo.synthesis.prompt_files import PromptFile
from summpo.synthesis.records import JudgedPair
from summpo.teacher.records import Request, Task
from summpo.text.documents import Document

INCONSISTENT = "order_changes_verdict"
"""The reason of modes that judge in both orders: the summary that is shown first (or second) wins twice."""
REASONS = (*ANSWER_REASONS, INCONSISTENT)
"""Why a task comes to nothing, in the order in which reports tell it."""
WORD_LIMITS = ("first_low", "first_high", "second_low", "second_high")
"""The placeholders of a prompt to write by: the fewest and the most words of either summary."""


@runtime_checkable
class Mode(Protocol):
    """A way from a document to a judged pair."""

    def prompts(self) -> Mapping[str, PromptFile]:
        """The prompts by the step that asks with them, read and checked.

        Raises:
            FieldError: a prompt cannot be read, lacks a placeholder or has an unknown one.
        """
        ...

    def tasks(self, documents: Iterable[Document]) -> Iterator[Task[JudgedPair]]:
        """A task for each document, in order, one at a time.

        Raises:
            FieldError: as `prompts`, before the first document is taken.
        """
        ...

    def imagined(self, document: Document) -> Sequence[Request]:
        """Every request that a document leads to, with summaries of the most words allowed: what a dry run counts."""
        ...


def require_words(key: str, words: Any) -> tuple[int, int]:
    """Guards the fewest and the most words of a summary; a list becomes a tuple.

    Raises:
        FieldError: they are not two whole numbers, the first at least 1, the second larger.
    """
    whole = isinstance(words, list | tuple) and all(isinstance(n, int) and not isinstance(n, bool) for n in words)
    require_field(
        f"mode.{key}",
        whole and len(words) == 2 and 1 <= words[0] < words[1],
        f"{key} must be the fewest and the most words, as [100, 300], got {words}",
    )
    return words[0], words[1]


def require_shorter(long_words: tuple[int, int], short_words: tuple[int, int]) -> None:
    """Guards that the shorter summary is to be the shorter.

    Raises:
        FieldError: its limits are not below those of the longer.
    """
    require_field(
        "mode.short_words",
        short_words[0] <= long_words[0] and short_words[1] < long_words[1],
        f"short_words must be below long_words {list(long_words)}, got {list(short_words)}",
    )


def require_asking(max_tokens: dict[str, int], temperature: dict[str, float | None]) -> None:
    """Guards what requests ask for, by key.

    Raises:
        FieldError: naming the key and the value.
    """
    for key, value in max_tokens.items():
        require_number(f"mode.{key}", value, low=1)
    for key, value in temperature.items():
        if value is not None:
            require_number(f"mode.{key}", value, low=0, high=2)


def require_json(prompt: PromptFile, key: str, json_object: bool, json_schema: bool) -> None:
    """Guards that a prompt asks for JSON where the endpoint is told to give nothing else.

    Raises:
        FieldError: the prompt does not mention it, and endpoints refuse that.
    """
    option = "json_schema" if json_schema else "json_object"
    require_field(
        f"mode.{key}",
        not (json_object or json_schema) or "json" in prompt.text.lower(),
        f"mode.{option}=true needs a prompt that asks for JSON, and {prompt.name} does not",
    )


def longer_first(document_id: str) -> bool:
    """Whether the longer summary is asked for first: drawn by the id, so that half of the documents have it so."""
    return sha256(f"longer first\n{document_id}".encode()).digest()[0] % 2 == 0


@dataclass(frozen=True)
class Limits:
    """The fewest and the most words of the first and of the second summary."""

    first: tuple[int, int]
    second: tuple[int, int]

    def placeholders(self) -> dict[str, object]:
        """What fills a prompt's `WORD_LIMITS`."""
        return dict(zip(WORD_LIMITS, (*self.first, *self.second), strict=True))


def filler(words: int) -> str:
    """A text of so many words, for counting."""
    return " ".join(["summary"] * words)
