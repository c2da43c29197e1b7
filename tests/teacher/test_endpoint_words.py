"""An endpoint's words, fit for a screen."""

import json

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


def test_all_names_of_an_error() -> None:
    said = {"error": {"message": "no", "code": "1500", "type": "Invalid_Model", "status": 400}}
    assert error_in(said, json.dumps(said).encode()) == ("no", frozenset({"1500", "invalid_model"}))
