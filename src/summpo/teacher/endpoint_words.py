"""An endpoint's words: what its bodies say, made fit for a file and for a screen. Text in, text out."""

from __future__ import annotations

import json
import re
from textwrap import shorten
from typing import Any

MESSAGES = ("message", "detail", "error_message", "error_msg", "msg")
"""Where an error says what it is."""
LONGEST = 300
"""Characters of an endpoint's words that are kept."""
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|\Z)"  # window title, clipboard, links
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
"""What a terminal obeys in place of showing it (ECMA-48)."""


def json_of(body: bytes) -> Any:
    """What a body says; None where it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_in(said: Any, body: bytes) -> tuple[str, frozenset[str]]:
    """An error's message, or else how the body begins; and what it is called: its code, type and status.

    Behind a router's message, which says little, stands the one that it passes on; its names are the error's, too.

    Args:
        said: the body's JSON; Google's is a list of one.
    """
    found = _error(said)
    if not isinstance(found, dict):
        return one_line(found if isinstance(found, str) else beginning(body)), frozenset()
    passed_on = _passed_on(found)
    words = (_message(found), _message(passed_on))
    return one_line(": ".join(filter(None, words)) or beginning(body)), _names(found) | _names(passed_on)


def _error(said: Any) -> Any:
    """What speaks of an error; None where a body is no object."""
    said = said[0] if isinstance(said, list) and said else said
    return (said.get("error") or said) if isinstance(said, dict) else None


def _passed_on(error: dict[str, Any]) -> Any:
    """What a router had from the endpoint behind it: text, or an error that it may hold as text (OpenRouter)."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    found = _error(json_of(storable(raw).encode()) if isinstance(raw, str) else raw)
    return found or raw


def _message(error: Any) -> str:
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    return str(next((error[name] for name in MESSAGES if error.get(name)), ""))


def _names(error: Any) -> frozenset[str]:
    names = (error.get(name) for name in ("code", "type", "status")) if isinstance(error, dict) else ()
    return frozenset(name.lower() for name in names if isinstance(name, str))


def beginning(body: bytes) -> str:
    """How a body begins."""
    return body[:200].decode("utf-8", "replace")


def one_line(text: str) -> str:
    """A text's beginning, on a line, without what a terminal obeys or what turns the direction of writing."""
    text = _ESCAPES.sub(" ", storable(text[: 20 * LONGEST]))
    return shorten("".join(one if one.isprintable() else " " for one in text), LONGEST, placeholder=" ...")


def storable(text: str) -> str:
    """The text with half surrogates, which no UTF-8 can hold, replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
