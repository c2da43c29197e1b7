"""What a response means: bytes in, an answer or a fault out."""

import json
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.teacher.faults import Fault, fault_of, read_answer, retry_after
from summpo.teacher.records import Answer, Request
from summpo.teacher.sending import without

REQUEST = Request("t", "s", (("user", "hello"),), 50, 0.0)
NAMES = ["choices", "message", "content", "usage", "error", "model", "finish_reason", "code", "refusal", "text"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4),
)


def completion(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "fine"}
    whole = {"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    return whole | {"usage": {"prompt_tokens": 7, "completion_tokens": 2}} | changes


def completion_of(usage: Any) -> dict[str, Any]:
    return completion(usage=usage)


def read(said: Any) -> Answer | Fault:
    return read_answer(json.dumps(said).encode(), REQUEST)


class TestAnswers:
    def test_an_ordinary_one(self) -> None:
        assert read(completion()) == Answer("fine", "stop", "m", 7, 2)

    @pytest.mark.parametrize(
        ("message", "text"),
        [
            ({"content": None}, ""),
            ({}, ""),
            ({"content": None, "refusal": "I cannot"}, "I cannot"),
            ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
            ({"content": "half \ud800 a pair"}, "half \ufffd a pair"),
        ],
    )
    def test_whose_message_is_odd(self, message: dict, text: str) -> None:
        found = read(completion(choices=[{"message": message, "finish_reason": "stop"}]))
        assert isinstance(found, Answer) and found.text == text

    @pytest.mark.parametrize(
        "usage", [None, "many", {}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": "7"}]
    )
    def test_that_counts_no_tokens_is_taken_to_have_used_all(self, usage: Any) -> None:
        """ "hello" has 5 bytes, the template 64 + 16; the answer may have 50."""
        found = read(completion(usage=usage))
        assert isinstance(found, Answer) and (found.prompt_tokens, found.completion_tokens) == (85, 50)

    @pytest.mark.parametrize(
        "said",
        [[], 3, {}, completion(choices=None), completion(choices=[]), completion(choices=["fine"]), completion(choices=[{}]),
         completion(choices=[{"message": None}]), completion(choices=[{"message": {"content": 3}}])],
    )  # fmt: skip
    def test_that_is_none_may_have_been_paid(self, said: Any) -> None:
        found = read(said)
        assert isinstance(found, Fault)
        assert (found.reason, found.then, found.maybe_paid) == ("no_choices", "retry", True)

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b'{"choices": [', b"\xff\xfe\xff", b"[" * 100_000, b"9" * 10_000, json.dumps(completion()).encode()[:60]]
    )  # fmt: skip
    def test_that_is_no_json_may_have_been_paid(self, body: bytes) -> None:
        found = read_answer(body, REQUEST)
        assert isinstance(found, Fault)
        assert (found.reason, found.then, found.maybe_paid) == ("broken_answer", "retry", True)
        assert len(found.detail) < 350 and "\n" not in found.detail

    @pytest.mark.parametrize(
        ("usage", "prompt", "completion", "counted"),
        [
            ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}, 7, 2, (True, True)),
            (
                {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 40},
                7,
                33,
                (True, True),
            ),  # thoughts: Google, xAI
            ({"prompt_tokens": 7, "total_tokens": 40}, 7, 33, (True, True)),
            ({"prompt_tokens": 7}, 7, 50, (True, False)),
            ({"completion_tokens": 2}, 85, 2, (False, True)),
            ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, 85, 50, (False, False)),
            (None, 85, 50, (False, False)),
        ],
    )
    def test_say_which_tokens_the_endpoint_counted(
        self, usage: Any, prompt: int, completion: int, counted: tuple[bool, bool]
    ) -> None:
        found = read(completion_of(usage))
        assert isinstance(found, Answer) and (found.prompt_tokens, found.completion_tokens) == (prompt, completion)
        assert (found.prompt_is_counted, found.completion_is_counted) == counted

    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
    def test_whose_thoughts_stand_beside(self, name: str) -> None:
        for content in (None, "", "Better: 1"):
            message = {"content": content, name: "Let me see."}
            found = read(completion(choices=[{"message": message, "finish_reason": "stop"}]))
            assert isinstance(found, Answer) and (found.text, found.thoughts) == (content or "", "Let me see.")

    def test_whose_thoughts_are_parts(self) -> None:
        parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "fine"}]
        found = read(completion(choices=[{"message": {"content": parts}, "finish_reason": "stop"}]))
        assert isinstance(found, Answer) and (found.text, found.thoughts) == ("fine", "Hm.")

    @pytest.mark.parametrize(
        ("message", "thoughts"),
        [
            ({"reasoning_details": [{"type": "reasoning.text", "text": "Let me "}, {"type": "reasoning.text", "text": "see."}]},
             "Let me see."),
            ({"reasoning_details": [{"type": "reasoning.summary", "summary": "Briefly."}]}, "Briefly."),
            ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA"}]}, "[encrypted]"),
            ({"thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]}, "Hm."),
            ({"content": [{"type": "reasoning", "text": "Hm."}]}, "Hm."),
            ({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}]}, "Hm."),
            ({"content": [{"type": "text", "text": "Hm.", "thought": True}]}, "Hm."),
            ({"content": [{"type": "redacted_thinking", "data": "gAAA"}]}, "[encrypted]"),
        ],
    )  # fmt: skip
    def test_of_thoughts_alone_however_they_are_given(self, message: dict, thoughts: str) -> None:
        found = read(completion(choices=[{"message": message, "finish_reason": "stop"}]))
        assert isinstance(found, Answer) and (found.text, found.thoughts) == ("", thoughts)

    @pytest.mark.parametrize(
        ("choice", "text", "finish_reason"),
        [
            ({"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}, "No.", "refusal"),
            ({"finish_reason": "content_filter"}, "", "content_filter"),  # without a message
            ({"message": None, "finish_reason": "SAFETY"}, "", "SAFETY"),
            ({"message": {"content": "cut of"}, "finish_reason": None}, "cut of", ""),
        ],
    )
    def test_that_are_withheld(self, choice: dict, text: str, finish_reason: str) -> None:
        found = read(completion(choices=[choice]))
        assert isinstance(found, Answer) and (found.text, found.finish_reason) == (text, finish_reason)

    def test_that_used_all_their_tokens_and_do_not_say_why_they_ended_are_cut(self) -> None:
        choice = {"message": {"content": "cut of"}}
        found = read(completion(choices=[choice], usage={"prompt_tokens": 7, "completion_tokens": 50}))
        assert isinstance(found, Answer) and found.finish_reason == "length"

    @pytest.mark.parametrize("reason", ["error", "ERROR", "abort", "insufficient_system_resource", "network_error"])
    @pytest.mark.parametrize("place", ["choice", "message", "body"])
    def test_that_failed_behind_the_endpoint_are_tried_again(self, reason: str, place: str) -> None:
        """Nothing was written, and nothing is paid; half an answer may be."""
        error = {"error": {"code": 502, "message": "Upstream error"}}
        for content, maybe_paid in (("", False), ("half an", True)):
            message = {"content": content} | (error if place == "message" else {})
            choice = {"message": message, "finish_reason": reason} | (error if place == "choice" else {})
            found = read(completion(choices=[choice], **(error if place == "body" else {})))
            assert found == Fault(
                "server_error", f"200 with finish_reason {reason.lower()}: 502: Upstream error", "retry", maybe_paid
            )

    @pytest.mark.parametrize("ending", ["stop", "length", "", None, "error"])
    @pytest.mark.parametrize("place", ["choice", "message", "body", "beside"])
    @pytest.mark.parametrize(
        "error", [{"code": 502, "message": "died"}, {"message": "died", "code": 200}, "died", {"message": "died"}]
    )
    def test_beside_an_error_are_none(self, ending: Any, place: str, error: Any) -> None:
        """A text may end anywhere where what wrote it failed, whatever the reason for its end."""
        said = {"error": error} if place != "beside" else {"code": 502, "message": "died"}
        message = {"content": "half an"} | (said if place == "message" else {})
        choice = {"message": message, "finish_reason": ending} | (said if place == "choice" else {})
        found = read(completion(choices=[choice], **(said if place in ("body", "beside") else {})))
        what = "finish_reason error" if ending == "error" else "an error"
        assert found == Fault("server_error", f"200 with {what}: 502: died", "retry", True)

    @pytest.mark.parametrize(
        "beside",
        [
            {"error": None},
            {"error": {}},
            {"error": {"code": None, "message": ""}},
            {"code": 0, "message": "Success"},
            {"code": 200},
        ],
    )
    def test_beside_what_says_that_nothing_is_wrong(self, beside: dict) -> None:
        found = read(completion(choices=[{"message": {"content": "whole"}, "finish_reason": "stop"}], **beside))
        assert isinstance(found, Answer) and found.text == "whole"

    @pytest.mark.parametrize(
        ("code", "raw", "reason", "then"),
        [(400, "Output blocked by content filtering policy", "content_filter", "reject"),
         (400, '{"error": {"code": "content_filter", "message": "no"}}', "content_filter", "reject"),
         (403, {"error": {"message": "flagged"}}, "content_filter", "reject"),
         (400, "prompt is too long", "bad_request", "reject"), (502, "overloaded", "server_error", "retry")],
    )  # fmt: skip
    def test_that_failed_behind_a_router(self, code: int, raw: Any, reason: str, then: str) -> None:
        error = {"code": code, "message": "Provider returned error", "metadata": {"raw": raw, "provider_name": "X"}}
        choice = {"message": {"content": ""}, "finish_reason": "error", "error": error}
        for found in (
            read(completion(choices=[choice])),
            fault_of(code, {}, json.dumps({"error": error}).encode(), 0.0),
        ):
            assert isinstance(found, Fault) and (found.reason, found.then) == (reason, then)
            assert "Provider returned error: " in found.detail

    @pytest.mark.parametrize(
        ("code", "reason", "then"),
        [(429, "rate_limited", "retry"), (400, "bad_request", "reject"), (403, "forbidden", "reject"),
         (401, "server_error", "retry"), ("503", "server_error", "retry"), (None, "server_error", "retry")],
    )  # fmt: skip
    def test_that_are_errors_with_status_200(self, code: Any, reason: str, then: str) -> None:
        found = read({"error": {"code": code, "message": "no"}})
        assert isinstance(found, Fault) and (found.reason, found.then, found.maybe_paid) == (reason, then, False)
        assert found.detail == f"200 with an error: {code or 502}: no"

    @pytest.mark.parametrize(
        "said",
        [
            {"object": "error", "message": "no", "type": "BadRequestError", "code": 400},  # vLLM
            [{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}],  # Google
            {"type": "error", "error": {"message": "no", "code": 400}},
            {"code": 400, "msg": "no"},
            {"statusCode": 400, "message": "no"},
            {"error": "no", "status": 400},
            {"success": False, "errors": [{"code": 400, "message": "no"}]},  # Cloudflare
        ],
    )
    def test_that_are_errors_in_other_forms(self, said: Any) -> None:
        assert read(said) == Fault("bad_request", "200 with an error: 400: no", "reject", False)

    @given(JSON)
    def test_whatever_is_said_is_an_answer_or_a_fault(self, said: Any) -> None:
        for body in (said, completion(choices=said), completion(usage=said), completion(choices=[{"message": said}])):
            found = read(body)
            assert isinstance(found, Fault) or found.text.encode() is not None

    @given(st.binary())
    def test_whatever_bytes_come(self, body: bytes) -> None:
        assert isinstance(read_answer(body, REQUEST), Fault)
        assert isinstance(fault_of(500, {}, body, 0.0), Fault)


@pytest.mark.parametrize(
    ("status", "error", "reason", "then", "maybe_paid"),
    [
        (429, {}, "rate_limited", "retry", False),
        (429, {"code": "insufficient_quota"}, "out_of_credit", "stop", False),
        (500, {}, "server_error", "retry", False),
        (502, {}, "server_error", "retry", False),
        (503, {}, "server_error", "retry", False),
        (529, {}, "server_error", "retry", False),
        (504, {}, "server_error", "retry", True),
        (524, {}, "server_error", "retry", True),
        (408, {}, "server_error", "retry", True),
        (409, {}, "server_error", "retry", False),
        (400, {}, "bad_request", "reject", False),
        (400, {"code": "model_not_found"}, "unknown_model", "stop_at_first", False),
        (413, {}, "bad_request", "reject", False),
        (422, {}, "bad_request", "reject", False),
        (401, {}, "unauthorized", "stop", False),
        (402, {}, "out_of_credit", "stop", False),
        (403, {}, "forbidden", "reject", False),
        (451, {}, "forbidden", "reject", False),
        (424, {}, "server_error", "retry", False),
        (498, {}, "server_error", "retry", False),
        (406, {}, "unexpected_status", "reject", False),
        (410, {}, "unexpected_status", "stop_at_first", False),
        (404, {"code": "DeploymentNotFound"}, "unknown_model", "stop_at_first", False),
        (400, {"type": "invalid_model", "code": "1500"}, "unknown_model", "stop_at_first", False),
        (400, {"code": "content_filter"}, "content_filter", "reject", False),
        (403, {"code": "model_not_found"}, "unknown_model", "stop_at_first", False),
        (404, {}, "not_found", "stop_at_first", False),
        (404, {"code": "model_not_found"}, "unknown_model", "stop_at_first", False),
        (405, {}, "unexpected_status", "stop_at_first", False),
        (301, {}, "unexpected_status", "stop_at_first", False),
    ],
)
def test_what_a_status_means(status: int, error: dict, reason: str, then: str, maybe_paid: bool) -> None:
    found = fault_of(status, {}, json.dumps({"error": {"message": "why", **error}}).encode(), 0.0)
    assert (found.reason, found.then, found.maybe_paid, found.detail) == (reason, then, maybe_paid, f"{status}: why")


@pytest.mark.parametrize(
    ("status", "message", "reason", "then"),
    [
        # about the document
        (403, "Input validation error: inputs tokens + max_new_tokens must be <= 8193", "forbidden", "reject"),
        (403, "Your input was flagged for violence", "content_filter", "reject"),
        (403, "Request blocked by guardrail", "content_filter", "reject"),
        (403, "Sorry, you have been blocked", "forbidden", "reject"),
        (403, "The document has key findings on tokens of appreciation", "forbidden", "reject"),
        (451, "Unavailable for legal reasons", "forbidden", "reject"),
        (451, "The content failed moderation", "content_filter", "reject"),
        (400, "The response was filtered due to Azure OpenAI's content management policy", "content_filter", "reject"),
        (400, "Content Exists Risk", "content_filter", "reject"),
        (400, "This model's maximum context length is 8193 tokens", "bad_request", "reject"),
        (400, "Unsupported value: 'temperature' does not support 0.0 with this model.", "bad_request", "reject"),
        # about the key
        (403, "Invalid API key", "forbidden", "stop_at_first"),
        (403, "The api_key provided is not authorized", "forbidden", "stop_at_first"),
        (403, "Access denied due to invalid subscription key", "forbidden", "stop_at_first"),
        (403, "Invalid authentication credentials", "forbidden", "stop_at_first"),
        # about money
        (403, "Your team has used all available credits", "out_of_credit", "stop"),
        (400, "Your credit balance is too low to access the API", "out_of_credit", "stop"),
        # about the model
        (404, "The API deployment for this resource does not exist", "unknown_model", "stop_at_first"),
        (404, "model 'qwen' not found, try pulling it first", "unknown_model", "stop_at_first"),
        (404, "No endpoints found for some/thing.", "unknown_model", "stop_at_first"),
        (400, "some/thing is not a valid model ID", "unknown_model", "stop_at_first"),
        (400, "Model Not Exist", "unknown_model", "stop_at_first"),
        (400, "Invalid model name passed in model=thing", "unknown_model", "stop_at_first"),
        # about the url
        (404, "Not Found", "not_found", "stop_at_first"),
    ],
)
def test_what_endpoints_say_tells_whom_it_is_about(status: int, message: str, reason: str, then: str) -> None:
    found = fault_of(status, {}, json.dumps({"error": {"message": message}}).encode(), 0.0)
    assert (found.reason, found.then, found.detail) == (reason, then, f"{status}: {message}")


@pytest.mark.parametrize(
    ("body", "detail"),
    [(b"", "500"), (b'{"error": "why"}', "500: why"), (b'{"message": "why"}', "500: why"), (b'{"detail": "why"}', "500: why"),
     (b'{"detail": [{"loc": 1}]}', "500: [{'loc': 1}]"), (b"why\n\nso", "500: why so"), (b"[1]", "500: [1]"),
     (b'[{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}]', "500: API key not valid")],
)  # fmt: skip
def test_what_an_error_says(body: bytes, detail: str) -> None:
    assert fault_of(500, {}, body, 0.0).detail == detail


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3.0), ("0.5", 0.5), (" 7 ", 7.0), ("0", 0.0), ("-5", 0.0), (formatdate(1030, usegmt=True), 30.0), (formatdate(900), 0.0),
     ("", None), ("soon", None), ("nan", None), ("inf", None), ("1e999", None), ("Tue, 99 Foo", None)],
)  # fmt: skip
def test_retry_after_in_both_forms(said: str, seconds: float | None) -> None:
    """The date is 30 s after a clock that says 1000."""
    assert retry_after({"retry-AFTER": said}, now=1000.0) == seconds


def test_without_retry_after() -> None:
    assert retry_after({"Content-Type": "text"}, 0.0) is None


@pytest.mark.parametrize(
    "said", ["sk/abcd+1234efgh==", r"sk\/abcd+1234efgh==", r"sk\u002fabcd\u002b1234efgh=="], ids=["plain", "php", "net"]
)
def test_a_key_is_taken_out_however_json_spells_it(said: str) -> None:
    body = b'{"error": {"message": "bad key ' + said.encode() + b'"}}'
    assert without("sk/abcd+1234efgh==", body) == b'{"error": {"message": "bad key <key>"}}'
