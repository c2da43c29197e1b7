"""Words in scripts with and without spaces: by hand, and in English what white space parts."""

import re
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from summpo.text.words import ALONE, count_words, letters_of, split_words, words_of, worth_of

CHINESE = "今年春天，港口委员会决定购买电动船，报告0。"

BY_HAND = [
    ("", ""),
    ("It's a well-known fact - 3.5%!", "It's|a|well-known|fact|-|3.5%!"),
    (CHINESE, "今|年|春|天，|港|口|委|员|会|决|定|购|买|电|动|船，|报|告|0。"),
    ("「港」は、コンピュータ iPhone15です。", "「港」|は、|コ|ン|ピ|ュ|ー|タ|iPhone15|で|す。"),
    ("ภาษาไทย ง่าย", "ภ|า|ษ|า|ไ|ท|ย|ง่|า|ย"),
    ("မြန်မာစာ။", "မြ|န်|မာ|စာ။"),
    ("한국어 문장은 짧다.", "한국어|문장은|짧다."),
    ("هذه جملة، قصيرة.", "هذه|جملة،|قصيرة."),
    ("یہ اردو ہے۔", "یہ|اردو|ہے۔"),
    ("यह हिन्दी है।", "यह|हिन्दी|है।"),
    ("এটি বাংলা।", "এটি|বাংলা।"),
    ("Đây là tiếng Việt.", "Đây|là|tiếng|Việt."),
    ("Что это? Σπίτι; בית.", "Что|это?|Σπίτι;|בית."),
    ("བོད་སྐད་ཡིག །", "བོད|སྐད|ཡིག|།"),
    ("ሰላም፡ለዓለም", "ሰላም|ለዓለም"),
    ("ភាសា\u200bខ្មែរ", "ភា|សា|ខ្|មែ|រ"),
    ("👩‍🚀 👍🏽 ok", "👩‍🚀|👍🏽|ok"),
]


@pytest.mark.parametrize(("text", "wanted"), BY_HAND)
def test_by_hand(text: str, wanted: str) -> None:
    assert split_words(text) == [word for word in wanted.split("|") if word]
    assert count_words(text) == len(split_words(text))


spaced = st.text(alphabet=st.sampled_from("aB1é ñß-'’“.?!…€½²😀\u00a0\u3000\u2028\x1c\x1f\n\tдعहि가")) | st.text(
    "ab .-\n"
)


def test_all_that_needs_more_than_white_space_is_looked_for() -> None:
    """Each character that is a word by itself or parts words, between two letters."""
    odd = regex.compile(rf"[{ALONE}\u200b\u0f0b\u0f0c\u1361]", regex.V1)
    found = [one for one in map(chr, range(sys.maxunicode + 1)) if odd.match(one)]
    assert len(found) > 90_000
    assert all(count_words(f"a{one}b") in (2, 3) for one in found)


@given(spaced)
def test_where_there_are_spaces_they_part_words(text: str) -> None:
    assert split_words(text) == text.split()


def test_words_that_are_copied_stand_without_punctuation() -> None:
    assert words_of("Don't STOP, it's 3.5%!") == ["don't", "stop", ",", "it's", "3", ".", "5", "%", "!"]
    assert words_of("Don’t — ½ CAFÉ") == ["don’t", "—", "½", "café"]
    assert words_of("हिन्दी में।") == ["हिन्दी", "में", "।"]
    assert words_of("港口，iPhone 15") == ["港", "口", "，", "iphone", "15"]
    assert words_of("می‌خواهم") == ["می‌خواهم"]


def test_letters_alone() -> None:
    assert letters_of("Don't STOP_it: 3.5%!") == ["don", "t", "stop", "it", "3", "5"]
    assert letters_of("für l’été — α-synuclein ½ 👍") == ["für", "l", "été", "α", "synuclein"]
    assert letters_of(CHINESE) == list("今年春天港口委员会决定购买电动船报告0")
    assert letters_of("हिन्दी में। ภาษา") == ["हिन्दी", "में", "ภ", "า", "ษ", "า"]


@pytest.mark.parametrize("text", ["café", "việt", "각", "й", "が"])
def test_a_letter_and_its_accent_are_one_however_they_are_written(text: str) -> None:
    for read in (words_of, letters_of):
        assert read(normalize("NFD", text)) == read(normalize("NFC", text)) == [text]


def test_a_character_is_worth_less_than_a_word() -> None:
    assert [worth_of([word]) for word in ("word", "слово", "港", "カ", "ย")] == [1, 1, 2 / 3, 2 / 3, 1 / 4]
    assert worth_of(["港", "ย", "word"]) == (2 / 3 + 1 / 4 + 1) / 3 and worth_of([]) == 1


def test_nothing_else_counts_words(repository: Path) -> None:
    """What white space parts is counted in one place: elsewhere a Chinese text would have one word."""
    files = {file: file.read_text("utf-8") for file in (repository / "src").rglob("*.py")}
    assert len(files) > 100
    assert [file.name for file, text in files.items() if re.search(r"len\([\w.\[\]\"]+\.split\(\)\)", text)] == []


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_in_ascii_the_short_way_is_the_long_way(text: str) -> None:
    """The same text with a letter behind it that is not ASCII."""
    for read in (words_of, letters_of, split_words):
        assert read(text + " é") == [*read(text), "é"]
