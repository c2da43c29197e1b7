"""Conversations as rows hold them: lists of messages, each of a role with its text, to turns that are alike.

Read are {role, content} and ShareGPT's {from, value}; content is text, or a list of parts that are all text. Turns are
of the system, the user and the assistant: one of a tool, or that calls one, is a fault, for the text lacks what it did.
"""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from summpo.files.jsonl import SourceRow
from summpo.text.rows import Message

SPOKEN = ("messages", "conversations", "prompt", "completion", "chosen", "rejected")
"""The columns that may hold messages."""
ROLES = {"system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}


def with_messages_read(row: SourceRow) -> SourceRow:
    """The row, with the messages that a column of conversations holds as JSON text (as exports to CSV do) as a list."""
    held = {name: _messages_in(row.columns.get(name)) for name in SPOKEN}
    found = {name: messages for name, messages in held.items() if messages is not None}
    return replace(row, columns={**row.columns, **found}) if found else row


def _messages_in(text: Any) -> list[Any] | None:
    """The list of messages that a text spells as JSON; None where it is no such text."""
    if not (isinstance(text, str) and text.startswith('[{"')):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if all(isinstance(one, Mapping) and ("role" in one or "from" in one) for one in found) else None


def turns_of(row: SourceRow, column: str) -> list[Message]:
    """The turns of a column, at least one.

    Raises:
        RowFault: it is no list of messages, or one of them is not read.
    """
    messages = row.value(column)
    if not isinstance(messages, list) or not messages:
        raise row.fault(f"column {column} must be a list of messages, got {reprlib.repr(messages)}")
    return [_turn(row, f"{column}.{index}", message) for index, message in enumerate(messages)]


def _turn(row: SourceRow, column: str, message: Any) -> Message:
    if not isinstance(message, Mapping):
        raise row.fault(f"column {column} must be a message {{role, content}}, got {reprlib.repr(message)}")
    role, content = ("from", "value") if "from" in message and "role" not in message else ("role", "content")
    if message[role] not in ROLES if isinstance(message.get(role), str) else True:
        raise row.fault(
            f"column {column} must be of the system, the user or the assistant, got {message.get(role)!r:.60}"
        )
    if message.get("tool_calls"):
        raise row.fault(f"column {column} calls a tool, which is not read")
    if not isinstance(message.get(content), list):
        return Message(ROLES[message[role]], row.text(f"{column}.{content}"))
    parts = [_part(row, f"{column}.{content}.{index}") for index in range(len(message[content]))]
    return Message(ROLES[message[role]], "".join(parts))


def _part(row: SourceRow, column: str) -> str:
    kind = row.value(f"{column}.type")
    if kind != "text":
        raise row.fault(f"column {column} must be a part of type text, got {kind!r:.60}")
    return row.text(f"{column}.text")


def with_system(row: SourceRow, turns: list[Message]) -> list[Message]:
    """The turns under the row's column system, where it has one and they begin with no system line of their own."""
    system = row.optional_text("system")
    return turns if not system or turns[0].role == "system" else [Message("system", system), *turns]


def answered(row: SourceRow, turns: list[Message], column: str) -> tuple[list[Message], str]:
    """A conversation as what was said before the last turn, and that turn's text.

    Raises:
        RowFault: the last turn is not the assistant's, or the one before it is not the user's.
    """
    *before, last = turns
    if last.role != "assistant":
        raise row.fault(f"column {column} must end with a turn of the assistant, got one of the {last.role}")
    return asked(row, before, column), last.content


def asked(row: SourceRow, turns: list[Message], column: str) -> list[Message]:
    """The turns of a prompt, which end with the user's.

    Raises:
        RowFault: they do not.
    """
    if not turns or turns[-1].role != "user":
        last = f"one of the {turns[-1].role}" if turns else "none"
        raise row.fault(f"column {column} must have a turn of the user before the answer, got {last}")
    return turns


def parted(row: SourceRow) -> tuple[list[Message], str, str]:
    """The columns chosen and rejected, messages both, as the turns that they share and the two last ones that differ.

    A prompt of its own (a list of messages, or the user's text) goes before them where they do not begin with it.

    Raises:
        RowFault: they share no prompt, or part before the last turn.
    """
    chosen, rejected = turns_of(row, "chosen"), turns_of(row, "rejected")
    prompt = row.value("prompt")
    if isinstance(prompt, list):
        given = turns_of(row, "prompt")
    else:
        text = user_text(row) if prompt is None else row.text("prompt")
        given = [Message("user", text)] if text else []
    has_answers_alone = len(chosen) == len(rejected) == 1
    asked = [turn for turn in given if turn.role != "system"]
    lacks_system = asked != given and chosen[: len(asked)] == rejected[: len(asked)] == asked
    if asked and lacks_system:
        chosen, rejected = ([*given, *side[len(asked) :]] for side in (chosen, rejected))
    if given and (has_answers_alone or (isinstance(prompt, list) and chosen[: len(given)] != given)):
        chosen, rejected = [*given, *chosen], [*given, *rejected]
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    if shared == 0:
        raise row.fault("columns chosen and rejected share no prompt")
    if shared < max(len(chosen), len(rejected)) - 1:
        raise row.fault("columns chosen and rejected part before their last message")
    before, better = answered(row, chosen, "chosen")
    _, worse = answered(row, rejected, "rejected")
    return with_system(row, before), better, worse


def user_text(row: SourceRow) -> str | None:
    """What the user asks in columns of its own: instruction and input (Alpaca), question or input; or None."""
    instruction, given = row.optional_text("instruction"), row.optional_text("input")
    if instruction is None:
        question = row.optional_text("question")
        return given if question is None else question
    return f"{instruction}\n\n{given}" if given and given.strip() else instruction
