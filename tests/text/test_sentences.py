"""Sentences, pieces and windows: by hand, and nothing is lost whatever the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.text.sentences import pieces_of, sentences_of, windows_of

ENDS = "|"
BY_HAND = [
    "",
    "One.",
    "No stop at all",
    "One. | Two! | Three? | Four",
    "i went home. | then i slept.",
    "First line without a stop\n | second line.\n\n | Third.",
    "Dr. Smith met Mrs. Jones at 5 St. James Rd. | They spoke.",
    "Some fruit, e.g. Bananas, i.e. Yellow ones, cf. Fig. 3 and eq. 2. | Done.",
    "The U.S. Army moved. | He lives in the U.S. | The army left. | J. K. Rowling wrote.",
    "At 9 a.m. on Monday we met at 10 p.m. | Then we slept.",
    "It costs 3.50 dollars, version 1.2.3 of example.com/a.b. | Cheap.",
    "1. Wash it. | 2. Dry it.\n | 3. Go. | In 1999. | Then 5.",
    "No. 5 is here. | I said no. | You said yes.",
    "Apples, pears etc. are fruit. | We like apples, pears etc. | We eat them.",
    "I waited... and waited. | Then... | It came… | Yes… no.",
    '"Stop!" he said. | "Why?" | She left. | (He did not.) | Good (was it?) for us.',
    "Really?! | Yes!!! | OK.",
    "“Quoted.” | ‘Also quoted.’ | End.",
    "猫坐着。|狗叫了！|为什么？|“好。”|完",
    "An emoji 🙂. | Next \u00e9t\u00e9.",
    "“你来吗？”|他问。|“来！”|真的吗?|是的.|对……吧...好。",
    "「行く。」と彼は言った。|「え？」|次の日｡|終わり．",
    "هذه جملة. | وهذه ثانية؟ | نعم! | انتهى",
    "پہلا جملہ۔ | دوسرا جملہ۔|تیسرا؟ | ہاں",
    "۱۔ پہلا۔\n | ۲۔ دوسرا۔",
    "यह पहला है। | यह दूसरा है।|तीसरा॥ | डॉ. सिंह आए। | कब?",
    "এটি প্রথম। | এটি দ্বিতীয়?",
    "Πού είσαι; | Εδώ είμαι. | Ναι; | but; not here.",
    "Սա առաջինն է։ | Սա երկրորդն է: | Վերջ",
    "ይህ ነው። | ሌላ:: | አዎ፧ | በቃ",
    "ကောင်းသည်၊ မြန်သည်။ | နောက်တစ်ခု။",
    "នេះជា។ | មួយទៀត។",
    "བོད་སྐད།|ལེགས།",
    "พรุ่งนี้ใน พ.ศ. 2560 กทม. ประกาศเมื่อพ.ศ.2561ว่า ด.ช.สมชาย มาแล้ว!|ดีมาก",
    "네. | 그렇습니다. | 값은 ３．５이다．|끝 ۳۔۵",
    "ภาษาไทย ไม่มีจุด จบประโยค\n | บรรทัดใหม่",
    "Он пришёл. | В 1931 г. он ушёл. | А. С. Пушкин писал.",
    "זה משפט. | וזה עוד אחד?",
    "한국어 문장이다. | 둘째 문장이에요!",
    "Đây là câu một. | Đây là câu hai.",
    "„Ja.“ | Dann ging er. | »Nein.« | Gut. | Il dit : « Oui. » | Puis il partit. | « Non ! » dit-il.",
]


@pytest.mark.parametrize("marked", BY_HAND)
def test_by_hand(marked: str) -> None:
    wanted = [part.strip() for part in marked.split(ENDS) if part.strip()]
    assert sentences_of(marked.replace(" | ", " ").replace("\n |", "\n").replace("|", "")) == wanted


def bare(text: str) -> str:
    return "".join(text.split())


texts = st.text() | st.text(alphabet="aB1 .?!…\"'()\n。”") | st.lists(
    st.sampled_from(["Dr", "e.g", "U.S", "etc", "no", "Then", "he", "5", ".", "!", "...", '"', ")", " ", " ", "\n", "。", "港",
                     "」", "と", "»", "“", ";", "α", "۔", "।", "हि", "Սա", ":", "ይ"])
).map("".join)  # fmt: skip


@given(texts)
def test_nothing_is_lost_and_nothing_is_blank(text: str) -> None:
    found = sentences_of(text)
    assert bare("".join(found)) == bare(text)
    assert all(sentence and sentence == sentence.strip() and len(sentence.splitlines()) == 1 for sentence in found)


@given(texts)
def test_a_sentence_is_one_sentence(text: str) -> None:
    for sentence in sentences_of(text):
        assert sentences_of(sentence) == [sentence]


def test_a_hundred_thousand_stops_take_no_time() -> None:
    assert len(sentences_of("." * 100_000 + "a")) == 1
    assert len(sentences_of("a. " * 30_000)) == 1, "initials, as far as one can tell"
    assert len(sentences_of("so. " * 30_000)) == 30_000


def test_pieces_by_hand() -> None:
    """12 characters, the space nearest to the middle is at 6: "abc de" of 6 and "fgh ij" again of 6, then at 3."""
    assert pieces_of("abc de fgh ij", 13, len) == ["abc de fgh ij"]
    assert pieces_of("abc de fgh ij", 6, len) == ["abc de", "fgh ij"]
    assert pieces_of("abc de fgh ij", 3, len) == ["abc", "de", "fgh", "ij"]
    assert pieces_of("abcdefgh", 3, len) == ["ab", "cd", "ef", "gh"]
    assert pieces_of("ab", 0, len) == ["a", "b"], "a character is never cut"
    assert pieces_of(" \n", 3, len) == []
    assert pieces_of("今年春天港口，决定购买", 8, len) == ["今年春天港口，", "决定购买"], "behind punctuation"
    assert pieces_of("👩‍🚀👩‍🚀", 3, len) == ["👩‍🚀", "👩‍🚀"], "joined emoji stay whole"


@given(st.text(), st.integers(1, 20))
def test_pieces_fit_and_lose_nothing(text: str, limit: int) -> None:
    found = pieces_of(text, limit, len)
    assert bare("".join(found)) == bare(text)
    assert all(0 < len(piece) <= limit for piece in found)


def test_windows_by_hand() -> None:
    """Words 2 + 1 fit 3, 3 fills one, 5 stands alone, 1 + 1 follow."""
    sentences = ["a b", "c", "d e f", "g h i j k", "l", "m"]
    assert windows_of(sentences, 3, lambda text: len(text.split())) == ["a b c", "d e f", "g h i j k", "l m"]
    assert windows_of([], 3, len) == []


@given(st.lists(st.integers(1, 9)), st.integers(1, 12))
def test_windows_are_full(sizes: list[int], limit: int) -> None:
    found = [
        len(window.split()) for window in windows_of(["w " * size for size in sizes], limit, lambda t: len(t.split()))
    ]
    assert sum(found) == sum(sizes)
    assert all(size <= limit or size in sizes for size in found)
    assert all(first + second > limit or first + second > min(sizes) for first, second in pairwise(found))
