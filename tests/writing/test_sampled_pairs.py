"""The rule that makes pairs of samples, worked by hand."""

import pytest

from summpo.errors import UserError
from summpo.text.rows import SummaryRow
from summpo.writing.sampled_pairs import PairRule

ROW = SummaryRow("a", "a document", "cats sleep all day", references=("cats sleep all day",))


def test_recall_prefers_what_covers_more_whatever_its_length() -> None:
    """Reference: 4 words. "cats sleep" covers 2 of 4 = 0.5; with six more words that cover 4 of 4, recall is 1.0; none, 0."""
    rule = PairRule(samples=3, quality="rouge1_recall", min_difference=0.02)
    long = "we saw that cats sleep all the day long"
    assert rule.scores(ROW.references, ["cats sleep", long, "dogs run"]) == [0.5, 1.0, 0.0]
    pair, why = rule.pick(ROW, ["cats sleep", long, "dogs run"])
    assert why == "paired" and pair is not None
    assert (pair["chosen"], pair["rejected"]) == (long, "dogs run")
    assert (pair["score_chosen"], pair["score_rejected"], pair["references"]) == (1.0, 0.0, ["cats sleep all day"])


def test_scripts_without_spaces() -> None:
    row = SummaryRow("a", "今年春天，港口委员会决定购买电动船。", "港口购买电动船。", references=("港口购买电动船。",))
    pair, why = PairRule(2, "rouge1_recall", 0.02).pick(row, ["河流淤塞。", "委员会决定购买船。"])
    assert why == "paired" and pair is not None
    assert (pair["chosen"], pair["score_chosen"], pair["score_rejected"]) == (
        "委员会决定购买船。",
        round(3 / 7, 6),
        0.0,
    )


def test_f_measure_charges_for_length() -> None:
    """8 words that cover all 4: precision 0.5, recall 1, F 2/3; 2 words of the 4: precision 1, recall 0.5, F 2/3; exact: 1."""
    rule = PairRule(samples=2, quality="rouge1", min_difference=0)
    summaries = ["cats sleep all day in our big house", "cats sleep", "cats sleep all day"]
    assert rule.scores(ROW.references, summaries) == pytest.approx([2 / 3, 2 / 3, 1.0])


@pytest.mark.parametrize(
    ("summaries", "why"),
    [
        (["cats sleep", "cats sleep"], "fewer_than_two_distinct"),
        (["", "cats"], "fewer_than_two_distinct"),
        (["cats nap", "cats rest"], "too_alike_in_quality"),
    ],
)
def test_why_there_is_no_pair(summaries: list[str], why: str) -> None:
    assert PairRule(2, "rouge1_recall", 0.02).pick(ROW, summaries) == (None, why)


def test_a_cut_sample_stands_in_no_pair() -> None:
    """Three of four samples were cut: there is no pair, and the sentence says what would help; kept, they make one."""
    summaries, ended = ["cats sleep", "dogs run and", "cats sleep all", "a day"], [True, False, False, False]
    rule = PairRule(4, "rouge1_recall", 0.02)
    assert rule.usable(summaries, ended) == ["cats sleep"]
    assert rule.remedy(3) == "3 samples were cut: raise generation.max_new_tokens, or set cut_samples=keep"
    keeps = PairRule(4, "rouge1_recall", 0.02, "keep")
    assert keeps.usable(summaries, ended) == summaries
    assert keeps.remedy(3) == rule.remedy(0) == "lower min_difference"


@pytest.mark.parametrize(
    "wrong", [{"cut_samples": "cut"}, {"samples": 1}, {"quality": "bleu"}, {"min_difference": -0.1}]
)
def test_what_a_rule_refuses(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        PairRule(**{"samples": 2, "quality": "rouge1", "min_difference": 0.0, **wrong})
