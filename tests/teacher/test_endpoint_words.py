"""An endpoint's words, fit for a screen."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.teacher.endpoint_words import error_in, one_line


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07b", "a b"),
        ("a\x1b]52;c;aGk=\x1b\\b", "a b"),  # the clipboard
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "a link"),
        ("a\x1bcb", "a b"),  # a reset
        ("a\x9b2Jb", "a b"),  # the same in one character
        ("a\x08\x08b\rc\x00d\x7f", "a b c d"),
        ("a\u202eb\u2066c", "a b c"),  # turns the direction of writing
        ("naïve 文 😀", "naïve 文 😀"),
    ],
)
def test_what_a_terminal_obeys_is_not_shown(words: str, shown: str) -> None:
    assert one_line(words) == shown
    assert error_in({"error": {"message": words}}, b"")[0] == shown
    assert error_in(None, words.encode())[0] == shown


@given(st.text(max_size=500))
def test_whatever_is_said_is_one_line_that_can_be_shown(words: str) -> None:
    shown = one_line(words)
    assert len(shown) <= 300 and (shown.isprintable() or not shown)
    assert one_line(shown) == shown


def test_a_mebibyte_is_cut() -> None:
    assert len(one_line("word " * 2**18)) <= 300


@pytest.mark.parametrize(
    ("raw", "shown", "names"),
    [
        ("flagged by\nmoderation", "Provider returned error: flagged by moderation", set()),
        ({"error": {"message": "too long", "code": "context"}}, "Provider returned error: too long", {"context"}),
        ('{"error": {"message": "too long", "type": "E"}}', "Provider returned error: too long", {"e"}),
        ('[{"error": {"message": "no", "status": "BLOCKED"}}]', "Provider returned error: no", {"blocked"}),
        ('{"detail": "no"}', "Provider returned error: no", set()),
        ('{"error": "no"}', "Provider returned error: no", set()),
        ("{}", "Provider returned error: {}", set()),
        ("half \ud800", "Provider returned error: half \ufffd", set()),
        ("", "Provider returned error", set()),
        (None, "Provider returned error", set()),
        (5, "Provider returned error", set()),
    ],
)
def test_what_a_router_passes_on_stands_behind_its_own_words(raw: Any, shown: str, names: set[str]) -> None:
    error = {"message": "Provider returned error", "code": 502, "metadata": {"raw": raw, "provider_name": "X"}}
    assert error_in({"error": error}, b"") == (shown, names)


def test_all_names_of_an_error() -> None:
    said = {"error": {"message": "no", "code": "1500", "type": "Invalid_Model", "status": 400}}
    assert error_in(said, json.dumps(said).encode()) == ("no", frozenset({"1500", "invalid_model"}))
