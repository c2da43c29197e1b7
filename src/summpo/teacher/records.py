"""What flows between who asks and a teacher: requests, answers, tasks. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Protocol, TypeVar

from summpo.text.documents import Rejected

Outcome = TypeVar("Outcome", covariant=True)


@dataclass(frozen=True)
class Request:
    """One question to a teacher."""

    task: str
    """The id of the task that asks."""
    step: str
    """Which of the task's questions this is: write, judge_12 ..."""
    messages: tuple[tuple[str, str], ...]
    """(role, content), in order; roles are system, user and assistant."""
    max_tokens: int
    """Tokens of the answer, at most."""
    temperature: float | None
    """None leaves it out: some models take none, or only their own."""
    json_object: bool = False
    """Ask the endpoint to answer with a JSON object."""
    json_schema: str = ""
    """The JSON schema, as JSON, that the endpoint is asked to hold its answer to; empty for none."""

    def key(self, model: str, extra_body: Mapping[str, Any] | None = None) -> str:
        """What the journal knows it by, hex: equal questions to one model are one question.

        Args:
            extra_body: what the teacher's requests say beside. What is not said adds nothing to the key: a journal
                from before it could be said keeps its answers.
        """
        said = {name: value for name, value in asdict(self).items() if name != "json_schema" or value}
        asked = [model, said, json.dumps(extra_body, sort_keys=True)] if extra_body else [model, said]
        return sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What a teacher said, as it said it."""

    text: str
    finish_reason: str
    """stop, length, content_filter ..."""
    model: str
    """As the endpoint names it."""
    prompt_tokens: int
    completion_tokens: int
    """Those of thoughts too."""
    thoughts: str = ""
    """What stood beside the text, in reasoning_content or its like."""
    prompt_is_counted: bool = True
    """Whether the endpoint counted the prompt's tokens; else they are an upper bound."""
    completion_is_counted: bool = True
    """The same of the answer's."""


class Task(Protocol[Outcome]):
    """What is asked for: a question, perhaps further ones, an outcome."""

    @property
    def id(self) -> str:
        """No two tasks have one."""
        ...

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | Outcome | Rejected:
        """The next requests, or the outcome. Pure: the same answers, the same result.

        Args:
            answers: to this task's requests so far, by their step.
        """
        ...


def requests_in(step: object) -> Sequence[Request]:
    """The requests of what a task says it does next; none where that is its outcome."""
    is_asking = isinstance(step, list | tuple) and len(step) > 0 and all(isinstance(each, Request) for each in step)
    return step if is_asking else ()  # pyright: ignore[reportReturnType]
