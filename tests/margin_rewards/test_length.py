"""The margin reward `length`: two strings and no trainer."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.margin_rewards import Completions, MarginReward
from summpo.margin_rewards.length import Length


def three_letters_a_token(texts: Sequence[str]) -> list[int]:
    return [-(-len(text) // 3) for text in texts]


def rewards(unit: str, texts: list[str]) -> list[float]:
    return Length(unit).rewards(Completions([""] * len(texts), texts, three_letters_a_token))


@pytest.mark.parametrize(("unit", "expected"), [("tokens", [-3, -1]), ("words", [-2, -1]), ("characters", [-8, -1])])
def test_by_hand(unit: str, expected: list[float]) -> None:
    """ "two cats" has 8 characters, 2 words and, at three letters a token, 3 tokens; "x" one of each."""
    assert rewards(unit, ["two cats", "x"]) == expected


def test_words_stand_between_white_space_of_any_kind() -> None:
    assert rewards("words", ["a  cat\n\tx ", "", " ", "don't stop-gap"]) == [-3, 0, 0, -2]


@given(st.lists(st.text()), st.sampled_from(["tokens", "words", "characters"]))
def test_a_longer_text_is_never_worth_more(texts: list[str], unit: str) -> None:
    given, longer = rewards(unit, texts), rewards(unit, [f"{text} more" for text in texts])
    assert len(given) == len(texts)
    assert all(type(reward) is float and reward <= 0 for reward in given)
    assert all(more < less for more, less in zip(longer, given, strict=True))


def test_is_a_margin_reward_whose_unit_is_guarded() -> None:
    assert isinstance(Length(), MarginReward)
    with pytest.raises(UserError) as refusal:
        Length("lines")
    assert str(refusal.value) == ("unit must be one of tokens, words, characters, got lines (config key unit)")
