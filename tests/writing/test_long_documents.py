"""Where documents are cut into parts: at the largest boundaries that fit, in as few parts as there can be."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.writing.long_documents import LongDocuments, parts_of, units_of


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def test_paragraphs_stay_whole_where_they_fit() -> None:
    """Paragraphs of 2, 3, 2 and 3 words in parts of 5: two parts, 2 + 3 and 2 + 3, not 2 + 3, 2 and 3."""
    text = "one two\n\nthree four five\n \nsix seven\n\neight nine ten\n"
    assert parts_of(text, 5, words) == ["one two\n\nthree four five", "six seven\n\neight nine ten"]


def test_the_largest_part_is_as_small_as_can_be() -> None:
    """Five paragraphs of 2 words in parts of 6: filled to the brim 6 + 4; three would do for 4 + 4 + 2; two are fewer."""
    text = "\n\n".join(["a b"] * 5)
    assert [len(part.split()) for part in parts_of(text, 6, words)] == [6, 4]
    assert [len(part.split()) for part in parts_of(text, 8, words)] == [6, 4], "not 8 and 2"


def test_other_scripts_are_cut_at_their_sentences() -> None:
    assert units_of("यह पहला है। यह दूसरा है।तीसरा।", 14, characters) == ["यह पहला है। ", "यह दूसरा है।", "तीसरा।"]
    assert units_of("پہلا جملہ۔ دوسرا جملہ؟ ہاں", 12, characters) == ["پہلا جملہ۔ ", "دوسرا جملہ؟ ", "ہاں"]
    assert units_of("今年春天，港口委员会决定。船", 9, characters) == ["今年春天，", "港口委员会决定。", "船"]


def test_a_paragraph_that_is_too_long_is_cut_at_lines_then_sentences_then_spaces() -> None:
    text = (
        "Short one.\n\nFirst line of four.\nA sentence here. Then a very long one without any stop at all\n\nThe end."
    )
    assert units_of(text, 4, words) == [
        "Short one.\n\n",
        "First line of four.\n",
        "A sentence here. ",
        "Then a very ",
        "long one ",
        "without any ",
        "stop at all\n\n",
        "The end.",
    ]


def test_a_text_without_any_boundary() -> None:
    assert parts_of("abcdefgh", 3, characters) == ["ab", "cd", "ef", "gh"]
    assert parts_of("ab", 0, characters) == ["a", "b"], "a character is not cut"


@pytest.mark.parametrize("blank", ["", " \n\n "])
def test_a_blank_text_has_no_part(blank: str) -> None:
    assert parts_of(blank, 5, words) == []


TEXTS = st.lists(
    st.sampled_from(["a", "bc", "def.", "G", "。", " ", "  ", "\n", "\n\n", "\n \n", "e.g. ", "\u2028"]), max_size=40
)


@given(TEXTS.map("".join), st.integers(1, 12))
def test_joined_parts_are_the_text_and_none_is_too_large(text: str, limit: int) -> None:
    units = units_of(text, limit, characters)
    assert "".join(units) == text.strip()
    parts = parts_of(text, limit, characters)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part == part.strip() != "" for part in parts)
    assert all(len(part) <= max(limit, 1) for part in parts)


@given(TEXTS.map("".join), st.integers(1, 12))
def test_no_two_neighbours_would_fit_together(text: str, limit: int) -> None:
    """Words count no white space, so neighbours that fit together have no more than the limit."""
    sizes = words(parts_of(text, limit, words))
    assert all(one + other > limit for one, other in pairwise(sizes)) or len(sizes) < 3
    total = sum(sizes)
    assert len(sizes) >= -(-total // limit)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"how": "sliding"},
            "long_documents must be one of truncate, map_reduce, got sliding (config key long_documents)",
        ),
        (
            {"part_max_new_tokens": 0},
            "part_max_new_tokens must be >= 1, got 0 (config key map_reduce.part_max_new_tokens)",
        ),
    ],
)
def test_what_is_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        LongDocuments(**settings)
    assert str(refusal.value) == sentence
