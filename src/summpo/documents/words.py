"""Words and their n-grams: what near duplicates and contamination are found by.

datatrove's own word tokenizers need spaCy or other packages. Its blocks take ours instead: they hand it text in which
case, punctuation and white space are uniform, so that words are what `summpo.text.words` makes of it. (What spaCy's
English rules would part beside that, "cannot" and the like, they would part in both documents.) Accents are taken off
here, for datatrove takes every mark for one: the vowels of Hindi, Tamil and Thai, and what makes "ga" of the kana "ka".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from unicodedata import normalize

import numpy as np
import regex

from summpo.text.words import letters_of

ODD = np.uint64(0x9E3779B97F4A7C15)
"""The base of the polynomial that makes a hash of an n-gram of those of its words, modulo 2^64."""
_ACCENTED = regex.compile(r"([\p{Latin}\p{Greek}\p{Cyrillic}\p{Arabic}\p{Hebrew}])\p{M}+")
"""A letter of the scripts that are written with marks and without; elsewhere a mark makes another letter."""


@dataclass(frozen=True)
class Words:
    """Words as letters alone, without accents; a word tokenizer to datatrove once `duplicates` has registered it."""

    language: str | None = None

    def word_tokenize(self, text: str) -> list[str]:
        """The words, in order."""
        return letters_of(unaccented(text))

    def sent_tokenize(self, text: str) -> list[str]:
        """The whole text: no block used here asks for sentences."""
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """The same, as a span."""
        return [(0, len(text))]


def unaccented(text: str) -> str:
    """The text without the marks on letters that are letters without them, too: "cafe" for "caf\u00e9"."""
    return text if text.isascii() else normalize("NFC", _ACCENTED.sub(r"\1", normalize("NFD", text)))


def uniform_words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation and accents. Numbers stay: tables differ by them."""
    from datatrove.utils.text import TextNormConfig, simplify_text

    config = TextNormConfig(norm_numbers=False, norm_unicode_diacritics=False)
    return Words().word_tokenize(simplify_text(text, config))


def n_gram_hashes(words: Sequence[str], n: int) -> np.ndarray:
    """A hash of each n-gram, in order: uint64[words - n + 1], or of none.

    The same in every process: it stands on BLAKE2 of each word, not on Python's own hash.
    """
    of_word = {word: int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little") for word in set(words)}
    hashes = np.fromiter((of_word[word] for word in words), np.uint64, len(words))
    size = max(0, len(words) - n + 1)
    found = np.zeros(size, np.uint64)
    for place in range(n if size else 0):
        found = found * ODD + hashes[place : place + size]
    return found
