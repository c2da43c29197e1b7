"""Words, and n-grams that hash alike where and only where they are alike."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.documents.duplicates import minhash_config, word_tokenizer
from summpo.documents.rules import NearDuplicates
from summpo.documents.words import Words, n_gram_hashes, uniform_words


def test_words_of_scripts_with_and_without_spaces() -> None:
    assert Words().word_tokenize("two words") == ["two", "words"]
    assert Words().word_tokenize("日本語 text") == ["日", "本", "語", "text"]


def test_uniform_words_keep_numbers() -> None:
    assert uniform_words("The Café, of 1984: it's 3.5!") == ["the", "cafe", "of", "1984", "it", "s", "3", "5"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ça été Übung naïve", ["ca", "ete", "ubung", "naive"]),
        ("Ελλάδα ёлка", ["ελλαδα", "елка"]),
        ("مُحَمَّد שָׁלוֹם", ["محمد", "שלום"]),
        ("की के को", ["की", "के", "को"]),  # three words of Hindi
        ("கல் கால்", ["கல்", "கால்"]),  # Tamil: stone, leg
        ("ผู้ ผา", ["ผู้", "ผ", "า"]),  # the signs of Thai that stand above and below
        ("がか ば か\u3099", ["が", "か", "ば", "が"]),
    ],
)
def test_marks_are_taken_off_where_they_make_no_other_letter(text: str, words: list[str]) -> None:
    assert uniform_words(text) == words


def test_near_duplicates_know_vowel_signs() -> None:
    from datatrove.pipeline.dedup import MinhashDedupSignature

    block = MinhashDedupSignature("unused", minhash_config(NearDuplicates(words=2)), word_tokenizer())  # type: ignore[arg-type]
    one, other, plain, accented = (
        set(block.get_shingles(text).flat) for text in ("दिन की रात", "दिन को रात", "le cafe noir", "Le café, noir")
    )
    assert not one & other
    assert plain == accented


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 4))
def test_n_grams_hash_alike_just_where_they_are_alike(words: list[str], n: int) -> None:
    n_grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    hashes = n_gram_hashes(words, n).tolist()
    assert len(hashes) == len(n_grams)
    assert [hashes.index(one) for one in hashes] == [n_grams.index(one) for one in n_grams]


def test_order_counts() -> None:
    assert n_gram_hashes(["a", "b"], 2)[0] != n_gram_hashes(["b", "a"], 2)[0]


def test_hashes_are_the_same_in_another_process() -> None:
    program = "from summpo.documents.words import n_gram_hashes as h; print(h(['a', 'b', 'c'], 2).tolist())"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(n_gram_hashes(["a", "b", "c"], 2).tolist())
    assert n_gram_hashes([], 13).dtype == np.uint64
