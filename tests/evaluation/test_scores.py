import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.evaluation.scores import (
    METRICS,
    SummaryScores,
    aggregate,
    difference_intervals,
    intervals,
    score_summary,
)


def scores(rouge1: float = 0.5, length_tokens: int = 10, ended: bool = True) -> SummaryScores:
    return SummaryScores(length_tokens, 5, 2.0, rouge1, 0.25, 0.5, 0.5, ended)


def test_metric_names_are_the_contract() -> None:
    assert METRICS == (
        "eval/length_tokens",
        "eval/length_words",
        "eval/compression",
        "eval/rouge1",
        "eval/rouge2",
        "eval/rougeL",
        "eval/rougeLsum",
        "eval/ended_rate",
    )


def test_hand_worked_summary() -> None:
    """Summary "the cat sat", reference "the cat ran away", document of 9 words.

    1-grams: 2 shared, precision 2/3, recall 2/4, F = 2 * (2/3 * 1/2) / (2/3 + 1/2) = 4/7. The longest common
    subsequence is "the cat", so ROUGE-L is the same. 2-grams: 1 shared, precision 1/2, recall 1/3, F = 2/5.
    """
    got = score_summary("the cat sat", ("the cat ran away",), "a b c d e f g h i", length_tokens=4, ended=True)
    assert (got.length_tokens, got.length_words, got.compression, got.ended) == (4, 3, 3.0, True)
    assert got.rouge1 == pytest.approx(4 / 7)
    assert got.rouge2 == pytest.approx(2 / 5)
    assert got.rougeL == pytest.approx(4 / 7)


def test_a_script_without_spaces() -> None:
    """7 characters of a document of 19, identical to the reference."""
    got = score_summary(
        "港口购买电动船。", ("港口购买电动船。",), "今年春天，港口委员会决定购买电动船，报告0。", 4, True
    )
    assert (got.length_words, got.compression) == (7, 19 / 7)
    assert (got.rouge1, got.rouge2, got.rougeL, got.rougeLsum) == (1.0, 1.0, 1.0, 1.0)


def test_rouge_l_of_several_sentences() -> None:
    """In another order the longest common sequence is one sentence of two; sentence by sentence both are found."""
    got = score_summary("A river silted. The port closed.", ("The port closed. A river silted.",), "x", 8, True)
    assert (got.rougeL, got.rougeLsum) == (0.5, 1.0)


def test_words_are_stemmed() -> None:
    assert score_summary("models learning", ("model learned",), "x", 2, True).rouge1 == 1.0


def test_the_best_reference_counts_for_each_measure() -> None:
    references = ("b a d c", "a b x y")
    got = score_summary("a b c d", references, "x", 4, True)
    assert got.rouge1 == 1.0  # the first: the same words in another order
    assert got.rouge2 == pytest.approx(1 / 3)  # the second: "a b" of three 2-grams each


@pytest.mark.parametrize("summary", ["", "  \n"])
def test_empty_summary_scores_zero_and_stays_finite(summary: str) -> None:
    got = score_summary(summary, ("a reference",), "five words are in here", 0, False)
    assert (got.length_words, got.rouge1, got.rouge2, got.rougeL) == (0, 0.0, 0.0, 0.0)
    assert got.compression == 5.0  # as if it were one word


def test_no_reference_is_refused() -> None:
    with pytest.raises(UserError, match="at least one reference summary, the document 'Some text'"):
        score_summary("a", (), "Some text", 1, True)


def test_aggregate_is_the_mean() -> None:
    got = aggregate([scores(0.2, 10, True), scores(0.6, 20, False)])
    assert got["eval/rouge1"] == pytest.approx(0.4)
    assert got["eval/length_tokens"] == 15.0
    assert got["eval/ended_rate"] == 0.5
    assert tuple(got) == METRICS


@pytest.mark.parametrize("reduce", [aggregate, intervals])
def test_no_summaries_are_refused(reduce) -> None:
    with pytest.raises(UserError, match="no summaries"):
        reduce([])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 5))
def test_intervals_lie_within_the_values_and_repeat(values: list[float], seed: int) -> None:
    several = [scores(value) for value in values]
    low, high = intervals(several, seed, resamples=50)["eval/rouge1"]
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert intervals(several, seed, resamples=50)["eval/rouge1"] == (low, high)


def test_interval_has_the_width_of_the_standard_error() -> None:
    """400 values, half 0 and half 1: standard error 0.5 / sqrt(400) = 0.025, so 95% is 0.5 -+ 1.96 * 0.025."""
    low, high = intervals([scores(n % 2) for n in range(400)])["eval/rouge1"]
    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)


def test_paired_difference_cancels_what_documents_share() -> None:
    base = [scores(n / 100) for n in range(50)]
    better = [scores(n / 100 + 0.01) for n in range(50)]
    low, high = difference_intervals(better, base)["eval/rouge1"]
    assert math.isclose(low, 0.01) and math.isclose(high, 0.01)
    with pytest.raises(ValueError, match="50 and 49"):
        difference_intervals(better, base[1:])
