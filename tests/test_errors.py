"""The guards: one sentence with key and value, and nothing for what is right."""

import math
from typing import Any

import pytest

from summpo.errors import FieldError, UserError, require, require_choice, require_number


def test_require() -> None:
    require(True, "never said")
    with pytest.raises(UserError, match=r"^the sentence$"):
        require(False, "the sentence")


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (-0.1, {"low": 0}, "w must be >= 0, got -0.1 (config key w)"),
        (0, {"above": 0}, "w must be > 0, got 0 (config key w)"),
        (1.5, {"low": 0, "high": 1}, "w must be >= 0 and <= 1, got 1.5 (config key w)"),
        (-1, {"above": 0, "high": 1}, "w must be > 0 and <= 1, got -1 (config key w)"),
        (math.nan, {"low": 0}, "w must be >= 0, got nan (config key w)"),
        (math.inf, {}, "w must be a number, got inf (config key w)"),
        ("0.1", {}, "w must be a number, got 0.1 (config key w)"),
        (None, {"low": 0}, "w must be >= 0, got None (config key w)"),
        (True, {"low": 0}, "w must be >= 0, got True (config key w)"),
    ],
)
def test_numbers_refused(value: Any, bounds: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        require_number("w", value, **bounds)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("value", "bounds"), [(0, {"low": 0}), (1, {"high": 1}), (1e-9, {"above": 0}), (-3, {}), (2**40, {"low": 1})]
)
def test_numbers_taken(value: float, bounds: dict[str, float]) -> None:
    require_number("w", value, **bounds)


def test_the_sentence_begins_with_the_last_part_of_the_key() -> None:
    with pytest.raises(UserError, match=r"^lr must be > 0, got -1 \(config key optimizer.lr\)$"):
        require_number("optimizer.lr", -1, above=0)


def test_choices() -> None:
    require_choice("model.dtype", "float32", ("float32", "bfloat16"))
    with pytest.raises(UserError) as refusal:
        require_choice("model.dtype", "float8", ("float32", "bfloat16"))
    assert str(refusal.value) == "dtype must be one of float32, bfloat16, got float8 (config key model.dtype)"


def test_a_sentence_is_one_line_that_shows_what_it_holds() -> None:
    sentence = str(UserError("got a\nb\x1b[31m\u2028\ud83d, é ش 雨 (config key x)"))
    assert sentence == r"got a\nb\x1b[31m\u2028\ud83d, é ش 雨 (config key x)"
    assert str(FieldError("w must be a number, got a\tb", "w")) == r"w must be a number, got a\tb (config key w)"


@pytest.mark.parametrize("long", ["x" * 5000, "雨" * 5000, "ab " * 2000, "a" * 341], ids=len)
def test_what_is_long_loses_its_middle_and_never_its_key(long: str) -> None:
    sentence = str(FieldError(f"dtype must be one of float32, bfloat16, got {long}", "model.dtype"))
    assert sentence.startswith("dtype must be one of float32, bfloat16, got ")
    assert sentence.endswith("(config key model.dtype)") and " characters) ... " in sentence
    assert len(sentence) < 1300
    assert str(UserError(sentence)) == sentence, "it is said within another"


def test_a_path_is_said_whole() -> None:
    path = "/home/me/" + "deep/" * 50
    assert str(UserError(f"{path}: cannot be written to")) == f"{path}: cannot be written to"
