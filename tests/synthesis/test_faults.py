"""What a response means: bytes in, an answer or a fault out."""

import json
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.synthesis.faults import Fault, fault_of, is_other_model, read_answer, retry_after
from summpo.synthesis.records import Answer, Request

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
        (400, {"code": "model_not_found"}, "unknown_model", "stop", False),
        (413, {}, "bad_request", "reject", False),
        (422, {}, "bad_request", "reject", False),
        (401, {}, "unauthorized", "stop", False),
        (402, {}, "out_of_credit", "stop", False),
        (403, {}, "forbidden", "stop", False),
        (404, {}, "not_found", "stop", False),
        (404, {"code": "model_not_found"}, "unknown_model", "stop", False),
        (405, {}, "unexpected_status", "stop", False),
        (301, {}, "unexpected_status", "stop", False),
    ],
)
def test_what_a_status_means(status: int, error: dict, reason: str, then: str, maybe_paid: bool) -> None:
    found = fault_of(status, {}, json.dumps({"error": {"message": "why", **error}}).encode(), 0.0)
    assert (found.reason, found.then, found.maybe_paid, found.detail) == (reason, then, maybe_paid, f"{status}: why")


@pytest.mark.parametrize(
    ("body", "detail"),
    [(b"", "500"), (b'{"error": "why"}', "500: why"), (b'{"message": "why"}', "500: why"), (b'{"detail": "why"}', "500: why"),
     (b'{"detail": [{"loc": 1}]}', "500: [{'loc': 1}]"), (b"why\n\nso", "500: why so"), (b"[1]", "500: [1]")],
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
    ("asked", "named", "is_other"),
    [("m", "m", False), ("gpt-4o", "gpt-4o-2024-08-06", False), ("Qwen/Qwen2-72B-Instruct", "qwen2-72b-instruct", False),
     ("/models/m", "m", False), ("m@main", "m", False), ("m", "", False), ("m", "n", True), ("gpt-4o", "gpt-3.5", True)],
)  # fmt: skip
def test_which_model_is_another(asked: str, named: str, is_other: bool) -> None:
    assert is_other_model(asked, named) == is_other
