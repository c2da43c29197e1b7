"""Words in any script: what lengths, extractive fragments, ROUGE, n-grams and the filters of pairs count and compare.

White space parts words. Scripts written without spaces have none to part at: there a character with its marks counts
as a word, as is usual for Chinese, Japanese and Thai. Letters, digits and scripts are Unicode's, as `regex` knows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

import regex

RULE = (
    "parted by white space; in scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese and "
    "others) each character is a word"
)
"""What counts as a word, for those who read the numbers."""

EAST = r"[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{Bopomofo}]"
SOUTH_EAST = r"[\p{lb=SA}\p{lb=AK}\p{lb=AP}\p{lb=AS}]"
"""Sets of `regex`: the scripts of China and Japan, and those whose lines Unicode breaks by dictionary or syllable."""
ALONE = rf"[[{EAST}{SOUTH_EAST}]&&[\p{{L}}\p{{Nl}}]]"
"""A character that is a word by itself."""
_SPACE = r"\s\x1c-\x1f\u200b\u0f0b\u0f0c\u1361"
"""White space as Python has it, and what some scripts part words by: U+200B, Tibetan's tsheg, Ethiopic's word space."""
_JOINED = rf"[[\w\p{{No}}]--{ALONE}]"

_PARTED = regex.compile(rf"[^\w{_SPACE}]*{ALONE}\p{{M}}*[^\w{_SPACE}]*|[^{_SPACE}{ALONE}]+", regex.V1)
_MARKED = regex.compile(
    rf"{ALONE}\p{{M}}*|{_JOINED}+(?:['\u2019]{_JOINED}+)*|[^\w\p{{No}}{_SPACE}][\p{{M}}\u200d]*", regex.V1
)
_LETTERS = regex.compile(
    rf"{ALONE}\p{{M}}*|[[\p{{L}}\p{{Nd}}]--{ALONE}][[\p{{L}}\p{{Nd}}\p{{M}}\u200c\u200d]--{ALONE}]*", regex.V1
)
_BEYOND_SPACES = re.compile("[\u0e00-\u1fff\u200b\u2e80-\U0010ffff]")
"""Where all characters lie that need more than white space to tell words by, among others."""
_ASCII_MARKED = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
_ASCII_LETTERS = re.compile(r"[a-z0-9]+")
_IS_EAST = regex.compile(EAST, regex.V1)
_IS_ALONE = regex.compile(ALONE, regex.V1)


def split_words(text: str) -> list[str]:
    """The words as a reader counts them, with the punctuation that they touch: in English, what white space parts."""
    return _PARTED.findall(text) if _BEYOND_SPACES.search(text) else text.split()


def count_words(text: str) -> int:
    """How many words a text has."""
    return len(split_words(text))


def words_of(text: str) -> list[str]:
    """Lower-case words, without what they touch, and punctuation marks, each one an entry: for what is copied."""
    return _ASCII_MARKED.findall(text.lower()) if text.isascii() else _MARKED.findall(_uniform(text))


def letters_of(text: str) -> list[str]:
    """Lower-case runs of letters and digits alone: a to z and 0 to 9, and those of every other script."""
    return _ASCII_LETTERS.findall(text.lower()) if text.isascii() else _LETTERS.findall(_uniform(text))


def worth_of(words: Sequence[str]) -> float:
    """How much of an English word each of `words_of` stands for, in the mean; 1 where there is none.

    Two thirds in the scripts of China and Japan, whose words have one or two characters; a quarter in those of South
    East Asia, where they have about four.
    """
    short = [2 / 3 if _IS_EAST.match(word) else 1 / 4 for word in words if _IS_ALONE.match(word)]
    return (len(words) - len(short) + sum(short)) / len(words) if short else 1.0


def _uniform(text: str) -> str:
    """Lower case, a letter with its accent as one character where Unicode has it."""
    return normalize("NFC", text.lower())
