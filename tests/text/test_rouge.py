"""ROUGE: rouge-score's own values where it can read, other scripts by hand; the scorer leaves stderr alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from summpo.text.rouge import KINDS, rouge_scorer
from summpo.text.sentences import sentences_of

TWO_COMMANDS = """
import contextlib, io, logging, logging.config
from summpo.text.rouge import rouge_scorer

logging.basicConfig(level=logging.INFO)
first = io.StringIO()
with contextlib.redirect_stderr(first):
    rouge_scorer("rouge1")
logging.config.dictConfig({"version": 1})
assert not first.closed and first.getvalue() == ""
"""


def test_only_the_kinds_asked_for_and_stemmed() -> None:
    found = rouge_scorer("rouge2").score("he walks home", "he walked home")
    assert list(found) == ["rouge2"] and found["rouge2"].fmeasure == pytest.approx(1.0)


def test_the_stderr_of_an_earlier_command_is_neither_closed_nor_written_to() -> None:
    """As in one process that evaluates, its stderr kept apart, and trains then: Hydra sets logging up anew."""
    done = subprocess.run([sys.executable, "-c", TWO_COMMANDS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


OWN = RougeScorer(list(KINDS), use_stemmer=True)


def own(reference: str, summary: str) -> dict:
    """What rouge-score itself says, the sentences on lines."""
    return OWN.score(*("\n".join(sentences_of(text)) for text in (reference, summary)))


def test_english_is_as_rouge_score_has_it(shared_data: Path) -> None:
    """To the last digit, on summaries that people wrote; dashes, curly quotes, currencies and emoji as well."""
    lines = (shared_data / "tldr_comparisons" / "train.jsonl").read_text("utf-8").splitlines()[:400]
    pairs = [[one["text"] for one in json.loads(line)["summaries"]] for line in lines]
    pairs.append(["“It’s 5 € – no 👍🏽”, he said… ½ of ﬁve™", "He said it’s fine – “5 €” 👍🏽. ½ of it?"])
    pairs = [pair for pair in pairs if not any(c.isalpha() and not c.isascii() for c in "".join(pair) if c not in "ﬁ")]
    assert len(pairs) > 390
    scorer = rouge_scorer(*KINDS)
    assert all(scorer.score(*pair) == own(*pair) for pair in pairs if "ﬁ" not in pair[0])


@settings(max_examples=200)
@given(*[st.text(alphabet=st.sampled_from("aAbs1'’ .!?-–_…€½\nrunning")) for _ in range(2)])
def test_what_has_only_its_letters_is_as_rouge_score_has_it(reference: str, summary: str) -> None:
    assert rouge_scorer(*KINDS).score(reference, summary) == own(reference, summary)


TEXTS = [
    "今年春天，港口委员会决定购买电动船。明年开始使用。",
    "港の委員会は電動船を買うと決めた。来年から使う。",
    "คณะกรรมการตัดสินใจซื้อเรือไฟฟ้า",
    "ຄະນະກຳມະການຕັດສິນໃຈຊື້ເຮືອ",
    "គណៈកម្មាធិការសម្រេចទិញទូក។",
    "ကော်မတီက လျှပ်စစ်လှေ ဝယ်မည်။",
    "قررت اللجنة شراء قوارب كهربائية. متى؟",
    "کمیٹی نے برقی کشتیاں خریدنے کا فیصلہ کیا۔ کب؟",
    "समिति ने नावें खरीदने का निर्णय लिया। कब?",
    "কমিটি নৌকা কেনার সিদ্ধান্ত নিয়েছে।",
    "Комитет решил купить лодки. Когда?",
    "Η επιτροπή αποφάσισε να αγοράσει πλοία. Πότε;",
    "הוועדה החליטה לקנות סירות.",
    "Ủy ban quyết định mua thuyền điện.",
    "위원회는 전기선을 구매하기로 했다.",
    "Komite elektrikli gemiler almaya karar verdi; İstanbul ışıl ışıl.",
    "GPU 训练用 iPhone15 拍的 video 👍。",
]


@pytest.mark.parametrize("text", TEXTS)
def test_identical_texts_are_identical_in_any_script(text: str) -> None:
    found = rouge_scorer(*KINDS).score(text, text)
    assert [found[kind].fmeasure for kind in KINDS] == [1.0] * 4
    other = rouge_scorer("rouge1").score(text, "quick brown foxes")["rouge1"]
    assert other.fmeasure == 0


def test_other_scripts_by_hand() -> None:
    """港口购买电动船 has 7 characters, 2 + 5 of them among the reference's 19: precision 1, recall 7/19."""
    found = rouge_scorer("rouge1").score("今年春天，港口委员会决定购买电动船，报告0。", "港口购买电动船。")["rouge1"]
    assert (found.precision, found.recall) == (1.0, 7 / 19)
    assert found.fmeasure == pytest.approx(2 * 7 / 19 / (1 + 7 / 19))


def test_accents_belong_to_words() -> None:
    """rouge-score reads the letters f and r in für and in fär; "models" is stemmed in any company."""
    scorer = rouge_scorer("rouge1")
    assert OWN.score("für", "fär")["rouge1"].fmeasure == 1 and scorer.score("für", "fär")["rouge1"].fmeasure == 0
    assert scorer.score("für models", "für model")["rouge1"].fmeasure == 1


def test_by_sentence_by_hand() -> None:
    """Sentences in another order: the longest common sequence is one of the two, 3 of 6 words; sentence by sentence all
    6 are found."""
    found = rouge_scorer(*KINDS).score("The port closed. A river silted.", "A river silted. The port closed.")
    assert (found["rougeL"].fmeasure, found["rougeLsum"].fmeasure) == (0.5, 1.0)
    found = rouge_scorer(*KINDS).score("港口关闭。河流淤塞。", "河流淤塞。港口关闭。")
    assert (found["rougeL"].fmeasure, found["rougeLsum"].fmeasure) == (0.5, 1.0)
