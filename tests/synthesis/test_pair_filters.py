"""The filters: each by hand at its threshold, in their order, and no matter in what order pairs come."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.synthesis.filters import REASONS, Filters, filtered, similarity
from summpo.synthesis.records import JudgedPair
from summpo.text.documents import Document, Rejected

TEXT = (
    "The port of Alder had seventeen quays and four hundred ships in its best years. Then the river began to silt up, and "
    "year by year fewer captains dared the channel. In 1931 the council gave in and closed the port. Most families moved."
)
CHOSEN = "Silt, slowly filling its river, ended shipping at Alder, whose council shut the harbour in 1931."
REJECTED = "A council decision of 1931 finished what mud had begun: Alder stopped being a harbour town."
PAIR = JudgedPair(Document("alder", "towns", TEXT), CHOSEN, REJECTED, 16, 12, True)
OFF = Filters(None, None, None, None, None, None, None, False)


def reason(pair: JudgedPair, filters: Filters) -> str | None:
    found = filters.reason(pair)
    return None if found is None else found.reason


def test_a_good_pair_passes_and_nothing_is_asked_where_all_is_off() -> None:
    assert Filters().reason(PAIR) is None
    bad = replace(PAIR, chosen=TEXT + TEXT, rejected=TEXT + TEXT, score_chosen=4, score_rejected=4)
    assert OFF.reason(bad) is None
    assert filtered([bad, bad], OFF).dropped == ()


class TestSimilarity:
    def test_by_hand(self) -> None:
        """ "kitten" to "sitting" takes three edits, and the longer has seven characters."""
        assert similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
        assert similarity("", "") == 1
        assert similarity("a b", " a\n b ") == 1

    def test_the_threshold_itself_passes(self) -> None:
        """Of four characters one differs: 0.75 is not above 0.75."""
        pair = replace(PAIR, chosen="abcd", rejected="abcx")
        assert reason(pair, replace(OFF, max_similarity=0.75)) is None
        assert replace(OFF, max_similarity=0.74).reason(pair) == Rejected("too_similar", "0.750")

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_is_symmetric_and_at_most_the_share_of_the_lengths(self, one: str, other: str) -> None:
        found = similarity(one, other)
        assert found == pytest.approx(similarity(other, one))
        lengths = sorted(len(" ".join(text.split())) for text in (one, other))
        assert found <= (lengths[0] / lengths[1] if lengths[1] else 1) + 1e-9


@pytest.mark.parametrize(
    ("chosen", "rejected", "dropped"),
    [(16, 12, False), (14, 13, True), (14, 12.5, False), (14, 14, True), (12, 16, True)],
)
def test_scores_that_differ_by_one_or_less_are_tied(chosen: float, rejected: float, dropped: bool) -> None:
    pair = replace(PAIR, score_chosen=chosen, score_rejected=rejected)
    assert reason(pair, replace(OFF, tied_score_difference=1.0)) == ("scores_tied" if dropped else None)


def test_lengths() -> None:
    assert replace(OFF, min_characters=len(REJECTED) + 1).reason(PAIR) == Rejected(
        "too_short", f"{len(REJECTED)} characters"
    )
    assert reason(PAIR, replace(OFF, min_characters=len(REJECTED))) is None
    ratio = len(CHOSEN) / len(TEXT)
    assert reason(PAIR, replace(OFF, max_length_ratio=ratio)) is None
    long = replace(OFF, max_length_ratio=ratio - 0.01).reason(PAIR)
    assert long == Rejected("longer_than_document", f"{len(CHOSEN)} characters of {len(TEXT)}")
    assert reason(replace(PAIR, rejected=TEXT + "."), replace(OFF, max_length_ratio=1.0)) == "longer_than_document"
    assert reason(replace(PAIR, rejected=TEXT), replace(OFF, max_length_ratio=1.0)) is None


class TestCopied:
    def test_a_run_of_more_than_half(self) -> None:
        """ "b c d" of the four words "x b c d" is a run of 75%, and the density is 9 / 4."""
        pair = replace(PAIR, document=Document("d", "s", "a b c d e"), rejected="x b c d")
        assert replace(OFF, max_verbatim=0.74).reason(pair) == Rejected("copied", "a run of 75% of the summary")
        assert reason(pair, replace(OFF, max_verbatim=0.75)) is None
        assert replace(OFF, max_density=2.2).reason(pair) == Rejected("copied", "density 2.2")
        assert reason(pair, replace(OFF, max_density=2.25)) is None

    def test_sentences_put_together(self) -> None:
        first, second = TEXT.split(". ")[0], TEXT.split(". ")[2]
        assert reason(replace(PAIR, chosen=f"{first}. {second}."), Filters()) == "copied"


HARBOUR = (
    "今年春天，港口委员会在市政厅召开会议，讨论了三个小时。委员们最终决定购买四艘电动渡船，以取代使用了三十年的柴油船。"
    "主席表示，新船将在明年秋天投入使用，每年可以减少两千吨碳排放。反对者认为费用太高，要求先修理码头。市民代表则希望票价保持不变。"
)
THAI = (
    "ฤดูใบไม้ผลินี้ คณะกรรมการท่าเรือได้ประชุมกันที่ศาลากลางเป็นเวลาสามชั่วโมง คณะกรรมการตัดสินใจซื้อเรือข้ามฟากไฟฟ้าสี่ลำเพื่อ"
    "ทดแทนเรือดีเซลที่ใช้งานมาสามสิบปี ประธานกล่าวว่าเรือใหม่จะเริ่มให้บริการในฤดูใบไม้ร่วงปีหน้า และจะลดการปล่อยคาร์บอนได้ปีละสองพันตัน"
)
UNSPACED = [
    (HARBOUR, "港口方面批准了用电动渡船替换旧柴油船的计划，预计明年秋季启用，虽有人嫌贵，但减排效果可观。", None),
    (HARBOUR, "港口将以电动渡船取代旧船，明秋启用，减排明显。", None),
    (HARBOUR, "港口购买。", "too_short"),
    (HARBOUR, HARBOUR.split("。")[1] + "。", "copied"),
    (HARBOUR, "今年春天，港口委员会在市政厅开会，讨论了三个小时。委员们最终决定购买四艘电动渡船，取代使用了三十年的柴油船。"
     "主席表示，新船明年秋天投入使用，每年可以减少两千吨碳排放。", "copied"),
    (THAI, "ท่าเรือจะเปลี่ยนเรือดีเซลเก่าเป็นเรือข้ามฟากไฟฟ้าสี่ลำตั้งแต่ปลายปีหน้า เพื่อลดคาร์บอน แม้มีคนค้านว่าแพง", None),
    (THAI, "คณะกรรมการท่าเรือได้ประชุมกันที่ศาลากลาง คณะกรรมการตัดสินใจซื้อเรือข้ามฟากไฟฟ้าสี่ลำเพื่อทดแทนเรือดีเซล", "copied"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "summary", "wanted"), UNSPACED)
def test_scripts_without_spaces(document: str, summary: str, wanted: str | None) -> None:
    pair = replace(PAIR, document=Document("d", "s", document), chosen=summary, rejected=summary)
    assert reason(pair, replace(Filters(), max_similarity=None)) == wanted


def test_another_language() -> None:
    german = (
        "Der Hafen von Alder wurde 1931 geschlossen, weil der Fluss über viele Jahre hinweg verschlammt war und immer "
        "weniger Kapitäne die Einfahrt wagten; die meisten Familien zogen danach fort."
    )
    assert reason(replace(PAIR, rejected=german), Filters()) == "wrong_language"
    assert (
        reason(replace(PAIR, rejected="Порт Олдера закрыли в 1931 году, потому что река заилилась."), Filters())
        == "wrong_language"
    )
    assert reason(replace(PAIR, rejected=german), replace(Filters(), min_common_words=None)) is None


def test_the_first_reason_counts() -> None:
    """Tied, too short and similar at once: similarity is asked first."""
    pair = replace(PAIR, chosen="Closed.", rejected="Closed.", score_chosen=12)
    assert reason(pair, Filters()) == "too_similar"
    assert reason(pair, replace(Filters(), max_similarity=None)) == "scores_tied"
    assert reason(pair, replace(Filters(), max_similarity=None, tied_score_difference=None)) == "too_short"


class TestFiltered:
    def pairs(self) -> list[JudgedPair]:
        again = replace(PAIR, document=Document("birk", "towns", f"  {TEXT.replace(' ', '  ')}"))
        same_summary = replace(PAIR, document=Document("cove", "towns", "Another text. " + TEXT))
        tied = replace(PAIR, document=Document("abc", "towns", TEXT), score_rejected=16)
        other = replace(
            PAIR,
            document=Document("dune", "towns", "Before anything else: " + TEXT),
            chosen="Mud closed the harbour at Alder, so its people left for elsewhere after 1931.",
            rejected="Alder, a town of ships, lost them to a river that filled, said its council.",
        )
        return [PAIR, again, same_summary, tied, other]

    def test_drops_what_repeats_what_is_kept(self) -> None:
        """abc is dropped for its scores, so alder, which has its text, is the first of it."""
        found = filtered(self.pairs(), Filters())
        assert [pair.document.id for pair in found.kept] == ["alder", "dune"]
        assert {pair.document.id: (why.reason, why.detail) for pair, why in found.dropped} == {
            "abc": ("scores_tied", "16 and 16"),
            "birk": ("duplicate_document", "the text of alder"),
            "cove": ("duplicate_summary", "a summary of alder"),
        }

    @pytest.mark.parametrize("seed", range(5))
    def test_the_order_of_answers_makes_no_difference(self, seed: int) -> None:
        shuffled = self.pairs()
        random.Random(seed).shuffle(shuffled)
        assert filtered(shuffled, Filters()) == filtered(self.pairs(), Filters())

    def test_all_are_counted_once(self) -> None:
        found = filtered(self.pairs(), Filters())
        assert len(found.kept) + len(found.dropped) == 5
        assert {why.reason for _, why in found.dropped} <= set(REASONS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_similarity", 1.5),
        ("max_verbatim", -0.1),
        ("min_common_words", 2),
        ("tied_score_difference", -1),
        ("max_density", float("nan")),
    ],
)
def test_a_threshold_out_of_range_is_one_sentence(field: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"{field} must be .* \(config key filters.{field}\)"):
        Filters(**{field: value})


def test_real_summaries_by_people_pass(shared_data: Path) -> None:
    """Of human summaries of long documents at most one in fifty is called copied, and none another language."""
    rows = [
        json.loads(line)
        for line in (shared_data / "long_documents" / "test.jsonl").read_text("utf-8").splitlines()[::4]
    ]
    filters = replace(Filters(), max_similarity=None, tied_score_difference=None)
    found: list[str | None] = []
    for row in rows:
        document = Document(row["id"], row["source"], row["document"])
        texts = row["references"][:2]
        found.append(reason(JudgedPair(document, texts[0], texts[-1], 16, 12, True), filters))
    assert len(found) == 20
    assert set(found) <= {None, "copied"}
    assert found.count("copied") <= 1
