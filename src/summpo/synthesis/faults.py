"""What an endpoint's response means: an answer, or what went wrong and what to do about it. Pure functions of bytes.

A fault that comes without an answer may have been paid all the same: the model wrote one, and it was lost on the way.
What is refused at the door (429, 500, no connection) was not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from textwrap import shorten
from typing import Any, Literal

from summpo.synthesis.budget import at_most
from summpo.synthesis.records import Answer, Request

RETRIED = (408, 409, 425, 429)
"""And whatever is 500 or more."""
LOST_BEHIND_A_GATEWAY = (408, 504, 524)
"""Timeouts of the endpoint's own: its model may have answered."""
REFUSED = (400, 413, 422)
"""The request itself is wrong."""
STOPS = {401: "unauthorized", 402: "out_of_credit", 403: "forbidden", 404: "not_found"}
UNKNOWN_MODEL = ("model_not_found", "model_not_available", "invalid_model")
OUT_OF_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")


@dataclass(frozen=True)
class Fault:
    """A request that brought no answer."""

    reason: str
    """rate_limited, server_error, timeout, no_connection, connection_lost, broken_answer, no_choices; bad_request;
    unauthorized, out_of_credit, forbidden, not_found, unknown_model, unexpected_status."""
    detail: str
    """What the endpoint said of it, one short line."""
    then: Literal["retry", "reject", "stop"] = "retry"
    """Ask again; give this task up; stop the run, for no request could do better."""
    maybe_paid: bool = False
    retry_after: float | None = None
    """Seconds, where the endpoint said so."""


def fault_of(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Fault:
    """What a response that is no 200 means.

    Args:
        headers: with names in any case.
        now: seconds since 1970.
    """
    said, code = error_in(json_of(body), body)
    detail = f"{status}: {said}" if said else str(status)
    if code in OUT_OF_CREDIT:
        return Fault("out_of_credit", detail, "stop")
    if code in UNKNOWN_MODEL:
        return Fault("unknown_model", detail, "stop")
    if status in REFUSED:
        return Fault("bad_request", detail, "reject")
    if status in RETRIED or status >= 500:
        reason = "rate_limited" if status == 429 else "server_error"
        return Fault(reason, detail, "retry", status in LOST_BEHIND_A_GATEWAY, retry_after(headers, now))
    return Fault(STOPS.get(status, "unexpected_status"), detail, "stop")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that Retry-After asks for, in either form (RFC 9110, 10.2.3); None where it says nothing usable."""
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def json_of(body: bytes) -> Any:
    """What a body says; None where it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_in(said: Any, body: bytes) -> tuple[str, str]:
    """An error's message, or else how the body begins; and its code, or else its type, "" where there is none."""
    found = (said.get("error") or said) if isinstance(said, dict) else None
    if not isinstance(found, dict):
        return one_line(found if isinstance(found, str) else body[:200].decode("utf-8", "replace")), ""
    message = next((found[name] for name in ("message", "detail") if found.get(name)), None)
    code = next((code for code in (found.get("code"), found.get("type")) if isinstance(code, str)), "")
    return one_line(str(message) if message else body[:200].decode("utf-8", "replace")), code


def one_line(text: str) -> str:
    """A text's beginning, on a line."""
    return shorten(storable(text).replace("\0", " "), 300, placeholder=" ...")


def storable(text: str) -> str:
    """The text with half surrogates, which no UTF-8 can hold, replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_answer(body: bytes, request: Request) -> Answer | Fault:
    """What a 200 says.

    An answer is what has a message: content null is an empty text, which a parser rejects for its own reason, as it
    does a text that finish_reason says is cut. An endpoint that counts no tokens is taken to have used all it could.
    """
    said = json_of(body)
    if said is None:
        return Fault("broken_answer", f"200 with what is no JSON: {error_in(said, body)[0]}", maybe_paid=True)
    choice = first_choice(said)
    text = None if choice is None else text_of(choice.get("message"))
    if choice is None or text is None:
        return Fault("no_choices", f"200 without an answer in it: {error_in(said, body)[0]}", maybe_paid=True)
    most, usage = at_most(request), said.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        text=storable(text),
        finish_reason=named(choice.get("finish_reason")),
        model=named(said.get("model")),
        prompt_tokens=counted(usage.get("prompt_tokens"), most.prompt),
        completion_tokens=counted(usage.get("completion_tokens"), most.completion),
    )


def first_choice(said: Any) -> dict[str, Any] | None:
    """The first of a response's choices."""
    choices = said.get("choices") if isinstance(said, dict) else None
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None


def text_of(message: Any) -> str | None:
    """A message's text: its content, the texts of its parts, or why the model refuses; None where it is no message."""
    if not isinstance(message, dict):
        return None
    content = message.get("content")
    if content is None:
        return message["refusal"] if isinstance(message.get("refusal"), str) else ""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else None


def named(value: Any) -> str:
    """A name, or "" where there is none."""
    return storable(value) if isinstance(value, str) else ""


def counted(value: Any, otherwise: int) -> int:
    """A number of tokens."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else otherwise


def is_other_model(asked: str, named: str) -> bool:
    """Whether an endpoint says that a model answered which is not the one that was asked.

    Part of the name, or the name with a date or a revision, is the same one: gpt-4o-2024-08-06, qwen2-72b-instruct.
    """
    one, other = (name.lower().rsplit("/", 1)[-1] for name in (asked, named))
    return bool(other) and not one.startswith(other) and not other.startswith(one)
