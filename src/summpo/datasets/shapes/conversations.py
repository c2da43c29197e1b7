"""Conversations as rows hold them: messages, each of a role with its text, to turns that are alike.

Read are {role, content} and its like (ShareGPT's {from, value}, Gemini's {role, parts}); content is text, or a list of
parts that are all text. Turns are of the system, the user and the assistant, by whatever name: one of a tool, or that
calls one, is a fault, for the text lacks what it did.
"""

import ast
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from summpo.files.jsonl import SourceRow
from summpo.text.rows import Message

CONVERSATIONS = ("messages", "conversations", "conversation")
SPOKEN = (*CONVERSATIONS, "prompt", "completion", "chosen", "rejected", "history")
"""The columns in which text may spell messages."""
BEGINS = re.compile(r"\s*(\[\s*[\[{]|\{\s*[\"'])")
"""How such a text begins."""
ROLE_KEYS, TEXT_KEYS = ("role", "from", "speaker"), ("content", "value", "text", "parts")
NAMES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot", "chatbot", "model", "ai", "bing", "bard"),
}
ROLES = {name: role for role, names in NAMES.items() for name in names}
CALLS = ("tool_calls", "function_call")
MARKS = ("weight", "train", "training", "trainable", "loss")
"""Keys by which a message says whether it is to be learnt from: 0 or false is no."""
TEXT_PARTS = ("text", "input_text", "output_text")


def with_messages_read(row: SourceRow) -> SourceRow:
    """The row, with the messages that a column of conversations holds as text (as exports to CSV do) as messages."""
    held = {name: _messages_in(name, row.columns.get(name)) for name in SPOKEN}
    found = {name: messages for name, messages in held.items() if messages is not None}
    return replace(row, columns={**row.columns, **found}) if found else row


def _messages_in(name: str, text: Any) -> Any:
    """The messages (of a history: pairs, too) that a column's text spells; None where it is no such text."""
    if not (isinstance(text, str) and BEGINS.match(text)):
        return None
    found = _spelt(text.strip())
    each = found if isinstance(found, list) else [found]
    is_said = all(is_message(one) or (name == "history" and _is_exchange(one)) for one in each)
    return found if is_said else None


def _spelt(text: str) -> Any:
    """What a text spells as JSON or, as tables that pandas wrote have it, as Python; None where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(re.sub(r"\}\n\s*\{", "}, {", text))  # arrays of NumPy have no comma there
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def is_message(value: Any) -> bool:
    """Whether a value is a message: an object that says whose it is, and holds a text or a call."""
    return isinstance(value, Mapping) and all(set(keys) & set(value) for keys in (ROLE_KEYS, (*TEXT_KEYS, *CALLS)))


def _is_exchange(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def is_spoken(value: Any) -> bool:
    """Whether a column's value is to be read as messages: a single one, or a list of objects."""
    return is_message(value) or (isinstance(value, list) and all(isinstance(each, Mapping) for each in value))


def turns_of(row: SourceRow, column: str) -> list[Message]:
    """The turns of a column, at least one.

    Raises:
        RowFault: it is no message and no list of them, or one of them is not read.
    """
    messages = row.value(column)
    if is_message(messages):
        return [_turn(row, column, messages)]
    if not isinstance(messages, list) or not messages:
        raise row.fault(f"column {column} must be a list of messages, got {reprlib.repr(messages)}")
    return [_turn(row, f"{column}.{index}", message) for index, message in enumerate(messages)]


def _turn(row: SourceRow, column: str, message: Any) -> Message:
    if not isinstance(message, Mapping):
        raise row.fault(f"column {column} must be a message {{role, content}}, got {reprlib.repr(message)}")
    by, said = (next((key for key in keys if message.get(key) is not None), None) for keys in (ROLE_KEYS, TEXT_KEYS))
    name = None if by is None else message[by]
    role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise row.fault(f"column {column} must be of the system, the user or the assistant, got {name!r:.60}")
    if any(map(message.get, CALLS)):
        raise row.fault(f"column {column} calls a tool, which is not read")
    text = f"{column}.{said or 'content'}"
    if not isinstance(row.value(text), list):
        return Message(role, row.text(text))
    return Message(role, "".join(_part(row, f"{text}.{index}") for index in range(len(row.value(text)))))


def _part(row: SourceRow, column: str) -> str:
    part = row.value(column)
    if isinstance(part, str):
        return row.text(column)
    kind = row.value(f"{column}.type")
    is_text = kind in TEXT_PARTS or (kind is None and isinstance(part, Mapping) and "text" in part)
    if not is_text:
        raise row.fault(f"column {column} must be a part of type text, got {kind!r:.60}")
    return row.text(f"{column}.text")


def unread_keys(messages: Any) -> list[str]:
    """The keys of messages that hold something and are not read: reasoning_content, name ..."""
    found: dict[str, None] = {}
    for message in messages if isinstance(messages, list) else [messages]:
        for key, value in message.items() if is_message(message) else ():
            is_read = key in (*ROLE_KEYS, *TEXT_KEYS) or (key in MARKS and value in (0, 1))
            if not is_read and value not in (None, "", [], {}):
                found[str(key)] = None
    return list(found)


def earlier_turns(row: SourceRow) -> list[Message]:
    """The turns before the question that stand in the column history: pairs of the user and the assistant, or messages.

    Raises:
        RowFault: it holds something else.
    """
    history = row.value("history")
    if history in (None, "", [], "[]"):
        return []
    if isinstance(history, list) and is_message(history[0]):
        return turns_of(row, "history")
    if not isinstance(history, list) or not all(map(_is_exchange, history)):
        skips = "dataset.columns={history: null} leaves it unread"
        raise row.fault(f"column history must be pairs [user, assistant], got {reprlib.repr(history)}; {skips}")
    texts = [row.text(f"history.{index}.{side}") for index in range(len(history)) for side in range(2)]
    return [Message(("user", "assistant")[place % 2], text) for place, text in enumerate(texts)]


def split_last_turn(row: SourceRow, turns: list[Message], column: str) -> tuple[list[Message], str]:
    """A conversation as what was said before the last turn, and that turn's text.

    Raises:
        RowFault: the last turn is not the assistant's, or the one before it is not the user's.
    """
    answer = last_text(row, turns, column)
    return prompt_turns(row, turns[:-1], column), answer


def last_text(row: SourceRow, turns: list[Message], column: str) -> str:
    """The text of the last turn.

    Raises:
        RowFault: it is not the assistant's.
        LeftOut: it is marked as none to learn from; a rejected one is to be learnt to avoid.
    """
    if turns[-1].role != "assistant":
        raise row.fault(f"column {column} must end with a turn of the assistant, got one of the {turns[-1].role}")
    messages = row.value(column)
    last = messages[-1] if isinstance(messages, list) else messages
    mark = next((key for key in MARKS if last.get(key) == 0), None)
    if mark is not None and column != "rejected":
        raise row.left_out(f"the last turn of {column} is marked as none to learn from ({mark}: 0 or false)")
    return turns[-1].content


def prompt_turns(row: SourceRow, turns: list[Message], column: str) -> list[Message]:
    """The turns of a prompt, which end with the user's.

    Raises:
        RowFault: they do not.
    """
    if not turns or turns[-1].role != "user":
        last = f"one of the {turns[-1].role}" if turns else "none"
        raise row.fault(f"column {column} must have a turn of the user before the answer, got {last}")
    return turns


def turns_after(given: Sequence[Message], turns: list[Message]) -> list[Message]:
    """The turns behind what was given before them; where it is among them, behind its system line alone."""
    system = [turn for turn in given if turn.role == "system"]
    spoken = [turn for turn in given if turn.role != "system"]
    if not any(turns[start : start + len(spoken)] == spoken for start in range(len(turns))):
        return [*given, *turns]
    return turns if turns[0].role == "system" else [*system, *turns]


def shared_turns(row: SourceRow, chosen: list[Message], rejected: list[Message]) -> tuple[list[Message], str, str]:
    """Two whole conversations as the turns that they share, and the two last ones that differ.

    Raises:
        RowFault: they share no prompt, or part before the last turn.
    """
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    if shared == 0:
        raise row.fault("columns chosen and rejected share no prompt")
    if shared < max(len(chosen), len(rejected)) - 1:
        raise row.fault("columns chosen and rejected part before their last message")
    before, better = split_last_turn(row, chosen, "chosen")
    _, worse = split_last_turn(row, rejected, "rejected")
    return before, better, worse
