"""What an endpoint's response means: an answer, or what went wrong and what to do about it. Pure functions of bytes.

A fault that comes without an answer may have been paid all the same: the model wrote one, and it was lost on the way.
What is refused at the door (429, 500, no connection) was not.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from summpo.teacher.budget import at_most
from summpo.teacher.endpoint_words import MESSAGES, error_in, json_of, storable
from summpo.teacher.finish_reasons import ending_of, reason_of
from summpo.teacher.messages import text_of, thoughts_of
from summpo.teacher.records import Answer, Request

RETRIED = (408, 409, 424, 425, 429, 498, 499)
"""And whatever is 500 or more."""
LOST_BEHIND_A_GATEWAY = (408, 504, 524)
"""Timeouts of the endpoint's own: its model may have answered."""
BAD_REQUEST = (400, 413, 422)
"""The request itself is wrong."""
FORBIDDEN = (403, 451)
"""The request is not wrong, and yet not allowed: its text, or whoever asks."""
STOPS = {401: "unauthorized", 402: "out_of_credit", 404: "not_found"}
NOT_AN_API = (405, 410)
"""And whatever is less than 400: a redirect."""
UNKNOWN_MODEL = frozenset(
    {"model_not_found", "model_not_available", "invalid_model", "deploymentnotfound", "unknown_model"}
)
OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
CONTENT_FILTER = frozenset(
    {"content_filter", "content_policy_violation", "data_inspection_failed", "responsibleaipolicyviolation"}
)
_NAMES_MODEL = re.compile(r"\bmodels?\b|\bdeployments?\b|\bno endpoints found\b", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"\b(?:invalid|unknown|unsupported|no such) (?:model|deployment)\b|\bnot a valid model\b"
    r"|\b(?:model|deployment)\b.{0,120}\b(?:(?:does )?not exist|not (?:be )?found|not a chat model)\b",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"\bcredit balance\b|\b(?:no|any|insufficient|out of|available|more|enough) credits?\b"
    r"|\binsufficient (?:balance|funds)\b|\bspending limit\b",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"\bcontent[ _-](?:filter|polic|management policy|moderation|exists risk|inspection)|\bmoderat|\bflagged\b"
    r"|\bguardrail|\binappropriate content\b|\bsafety (?:system|filter|polic)|\busage polic",
    re.IGNORECASE,
)
_SPEAKS_OF_KEY = re.compile(
    r"\b(?:api|access|secret|subscription|provisioning|your|invalid|incorrect|this|the|wrong)[ _-]?key\b"
    r"|\bkey (?:is|was|has)\b|\b(?:access|auth\w*|bearer|api)[ _-]?token\b|\bcredentials?\b"
    r"|\b(?:un)?auth(?:enticat|ori[sz])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fault:
    """A request that brought no answer."""

    reason: str
    """rate_limited, server_error, timeout, no_connection, connection_lost, broken_answer, no_choices; bad_request,
    forbidden, content_filter; unauthorized, out_of_credit, not_found, unknown_model, unexpected_status."""
    detail: str
    """What the endpoint said of it, one short line."""
    then: Literal["retry", "reject", "stop", "stop_at_first"] = "retry"
    """Ask again; give this task up; stop the run, for no request could do better; stop it while nothing was ever
    answered, and else give this task up."""
    maybe_paid: bool = False
    retry_after: float | None = None
    """Seconds, where the endpoint said so."""


def fault_of(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Fault:
    """What a response that is no 200 means.

    Args:
        headers: with names in any case.
        now: seconds since 1970.
    """
    said, codes = error_in(json_of(body), body)
    detail = f"{status}: {said}" if said else str(status)
    if codes & OUT_OF_CREDIT or (status in (400, 403) and _NO_CREDIT.search(said)):
        return Fault("out_of_credit", detail, "stop")
    if codes & UNKNOWN_MODEL or (status == 404 and _NAMES_MODEL.search(said)):
        return Fault("unknown_model", detail, "stop_at_first")
    if status in BAD_REQUEST + FORBIDDEN and (codes & CONTENT_FILTER or _FILTER.search(said)):
        return Fault("content_filter", detail, "reject")
    if status == 400 and _NO_MODEL.search(said):
        return Fault("unknown_model", detail, "stop_at_first")
    if status in BAD_REQUEST:
        return Fault("bad_request", detail, "reject")
    if status in FORBIDDEN:
        is_of_key = status == 403 and _SPEAKS_OF_KEY.search(said) is not None
        return Fault("forbidden", detail, "stop_at_first" if is_of_key else "reject")
    if status in RETRIED or status >= 500:
        reason = "rate_limited" if status == 429 else "server_error"
        return Fault(reason, detail, "retry", status in LOST_BEHIND_A_GATEWAY, retry_after(headers, now))
    is_of_url = status in STOPS or status in NOT_AN_API or status < 400
    is_of_all = "stop" if status in (401, 402) else "stop_at_first"
    return Fault(STOPS.get(status, "unexpected_status"), detail, is_of_all if is_of_url else "reject")


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


def read_answer(body: bytes, request: Request) -> Answer | Fault:
    """What a 200 says.

    An answer is what has a message: content null is an empty text, which a parser rejects for its own reason, as it
    does a text that finish_reason says is cut; a text beside an error is none, for it may end anywhere. An endpoint
    that counts no tokens is taken to have used all it could.
    """
    whole = json_of(body)
    if whole is None:
        return Fault("broken_answer", f"200 with what is no JSON: {error_in(whole, body)[0]}", maybe_paid=True)
    first = whole[0] if isinstance(whole, list) and whole else whole  # Google's errors
    said: dict[str, Any] = first if isinstance(first, dict) else {}
    choice = first_choice(said)
    message = {} if choice is None else choice.get("message")
    finish_reason = "" if choice is None else named(choice.get("finish_reason"))
    ending = ending_of(finish_reason)
    text, thoughts = text_of(message), thoughts_of(message)
    error = error_of(said, choice, message)
    if ending == "failed" or error is not None:
        what = f"finish_reason {reason_of(finish_reason)}" if ending == "failed" else "an error"
        return failed_behind(error, what, bool(text or thoughts), body)
    if choice is None or (text is None and ending == "whole"):
        return Fault("no_choices", f"200 without an answer in it: {error_in(said, body)[0]}", maybe_paid=True)
    refusal = "" if text else named(message.get("refusal")) if isinstance(message, dict) else ""
    answer = Answer(
        text=storable(text or refusal),
        finish_reason="refusal" if refusal else finish_reason,
        model=named(said.get("model")),
        prompt_tokens=0,
        completion_tokens=0,
        thoughts=storable(thoughts),
    )
    return with_token_counts(answer, request, said.get("usage"))


def error_of(said: dict[str, Any], choice: Any, message: Any) -> Any:
    """The error that a 200 speaks of, wherever endpoints put it; None where it speaks of none."""
    held = (one.get("error") for one in (choice, message, said) if isinstance(one, dict))
    found = next((one for one in held if (any(one.values()) if isinstance(one, dict) else one)), None)
    if found is None and (choice is None or code_of(said) is not None):
        errors = said.get("errors")
        return errors[0] if isinstance(errors, list) and errors else said if any(map(said.get, MESSAGES)) else None
    return {**said, "error": None, "message": found} if isinstance(found, str) else found


def failed_behind(error: Any, what: str, was_written: bool, body: bytes) -> Fault:
    """What a 200 means that says in its body that it failed: what the upstream's own status would mean.

    Nothing was paid where nothing was written; a key that the upstream refuses is the endpoint's.
    """
    told = error if isinstance(error, dict) else {}
    fault = fault_of(code_of(told) or 502, {}, json.dumps({"error": told}).encode() if told else body, 0.0)
    then = fault.then if fault.then == "reject" or fault.reason == "out_of_credit" else "retry"
    reason = fault.reason if then == fault.then else "server_error"
    return replace(fault, reason=reason, then=then, detail=f"200 with {what}: {fault.detail}", maybe_paid=was_written)


def code_of(error: dict[str, Any]) -> int | None:
    """The status that an error within a body has; None where it has none that is an error's."""
    codes = (str(error.get(name)) for name in ("code", "status", "status_code", "statusCode"))
    return next((int(one) for one in codes if re.fullmatch(r"[45][0-9][0-9]", one)), None)


def first_choice(said: Any) -> dict[str, Any] | None:
    """The first of a response's choices."""
    choices = said.get("choices") if isinstance(said, dict) else None
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None


def named(value: Any) -> str:
    """A name, or "" where there is none."""
    return storable(value) if isinstance(value, str) else ""


def with_token_counts(answer: Answer, request: Request, usage: Any) -> Answer:
    """The answer with its tokens, as the endpoint counted them or else at most.

    A prompt of no tokens, or a text of none, was not counted. Some count thoughts in the total alone, as it is paid.
    """
    said, most = usage if isinstance(usage, dict) else {}, at_most(request)
    prompt, completion, total = (count(said.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    if total and prompt and total > prompt + (completion or 0):
        completion = total - prompt
    has_prompt, has_completion = bool(prompt), bool(completion) or (completion == 0 and not answer.text)
    is_cut = not answer.finish_reason and (completion or 0) >= request.max_tokens
    return replace(
        answer,
        finish_reason="length" if is_cut else answer.finish_reason,
        prompt_tokens=prompt if prompt else most.prompt,
        completion_tokens=completion if completion is not None and has_completion else most.completion,
        prompt_is_counted=has_prompt,
        completion_is_counted=has_completion,
    )


def count(value: Any) -> int | None:
    """A number of tokens; None where it is none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else None
