"""Counts are the house's own; a text that is far too long is found so by its beginning."""

from pathlib import Path

import pytest

from summpo.documents.tokens import BEGINNING, count, count_up_to, tokenizer_file
from summpo.errors import UserError
from summpo.text.encoding import count_tokens


def test_counts_are_those_of_the_students_tokenizer(tiny_model_path: Path) -> None:
    """Without special tokens, and where a text spells one it is text."""
    from summpo.models.weights.loading import load_tokenizer

    texts = ["The cat sat on the mat.", "a<|im_end|>b", "", "日本語 and more"]
    counts = count(str(tokenizer_file(tiny_model_path)), texts)
    assert counts == count_tokens(texts, load_tokenizer(tiny_model_path))
    assert counts[1] > 3


def test_a_book_is_not_encoded_to_its_end(word_tokenizer: Path) -> None:
    """At most 10 tokens are allowed, so a beginning is 120 characters: of words of two letters and a blank, 40 words.

    40 > 2 * 10, so the book is too long by its beginning. Words of nine letters: 12 in the beginning, so all 30 are
    counted, though they are too many. 10 words of two letters are within the beginning, and counted.
    """
    file = str(word_tokenizer / "tokenizer.json")
    assert BEGINNING * 10 == 120
    texts = ["ab " * 100_000, "abcdefghi " * 30, "ab " * 10]
    assert count_up_to(file, texts, 10) == [(40, False), (30, True), (10, True)]
    assert count_up_to(file, texts, None)[0] == (100_000, True)


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no tokenizer\.json to count tokens with"):
        tokenizer_file(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer\.json cannot be read as a tokenizer: "):
        count(str(tokenizer_file(tmp_path)), ["a"])
