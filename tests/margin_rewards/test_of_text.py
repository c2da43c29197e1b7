"""The margin rewards that need text alone, worked by hand; two strings and no trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.margin_rewards import ColumnReward, Completions, MarginReward, MissingColumn, columns_of
from summpo.margin_rewards.compression import Compression
from summpo.margin_rewards.constant import Constant
from summpo.margin_rewards.coverage import Coverage
from summpo.margin_rewards.density import Density
from summpo.margin_rewards.length import Length
from summpo.margin_rewards.length_budget import LengthBudget
from summpo.margin_rewards.rouge import Rouge
from summpo.margin_rewards.score import Score
from summpo.text.rows import PairRow

DOCUMENT = "The cat sat on the mat. A dog barked."


def completions(*texts: str, **more: Any) -> Completions:
    return Completions([DOCUMENT] * len(texts), texts, lambda texts: [len(text.split()) for text in texts], **more)


def rewards(reward: MarginReward, *texts: str, **more: Any) -> list[float]:
    return reward.rewards(completions(*texts, **more))


def words(count: int) -> str:
    return " ".join(["word"] * count)


class TestLengthBudget:
    def test_by_hand(self) -> None:
        """Target 10. Lengths 4, 10, 15, 30: excess 0, 0, 5, 20; squared over the target 0, 0, 2.5, 40."""
        texts = [words(count) for count in (4, 10, 15, 30)]
        assert rewards(LengthBudget(10), *texts) == [0, 0, -5, -20]
        assert rewards(LengthBudget(10, shape="quadratic"), *texts) == [0, 0, -2.5, -40]
        assert rewards(LengthBudget(4, "characters"), "four", "fives") == [0, -1]

    @given(st.integers(0, 60), st.sampled_from(["linear", "quadratic"]))
    def test_more_never_pays(self, count: int, shape: str) -> None:
        shorter, longer = rewards(LengthBudget(20, "words", shape), words(count), words(count + 1))
        assert longer <= shorter <= 0
        assert (longer < shorter) == (count + 1 > 20)


def test_scripts_without_spaces() -> None:
    """Of the document's 19 characters the summary has 7, in runs of 2, 5 and the full stop's 1; the reference is its."""
    document, summary = "今年春天，港口委员会决定购买电动船，报告0。", "港口购买电动船。"
    given = Completions([document], [summary], lambda texts: [4], references=[(summary,)])
    assert Length("words").rewards(given) == [-7]
    assert LengthBudget(5, "words").rewards(given) == [-2]
    assert Compression().rewards(given) == [-7 / 19]
    assert Coverage().rewards(given) == [1.0]
    assert Density().rewards(given) == [(4 + 25 + 1) / 8]
    assert [Rouge(kind).rewards(given) for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum")] == [[1.0]] * 4


class TestOfTheDocument:
    def test_compression(self) -> None:
        """The document has 9 words."""
        assert rewards(Compression(), "A cat sat.", "", DOCUMENT) == [-3 / 9, 0, -1]

    def test_coverage_and_density(self) -> None:
        """ "The cat barked loudly." is the, cat | barked | loudly (new) | . : fragments of 2, 1 and 1 of 5 entries."""
        assert rewards(Coverage(), "The cat barked loudly.", DOCUMENT, "", "Nothing shared") == [0.8, 1, 0, 0]
        assert rewards(Density(), "The cat barked loudly.", "", "Nothing shared") == [6 / 5, 0, 0]
        assert rewards(Density(), DOCUMENT) == [11], "the document itself is one fragment of 9 words and 2 stops"


class TestOfTheData:
    def test_scores(self) -> None:
        assert rewards(Score(), "a", "b", "c", "d", scores=[3.0, 1.0, 0.0, 2.0]) == [3, 1, 0, 2]

    def test_the_log_of_a_difference_of_scores(self) -> None:
        """ODPO: log(3 - 1) = ln 2 and log(2 - 1.5) = -ln 2, on the chosen completion of each pair."""
        found = rewards(Score("log"), "a", "b", "c", "d", scores=[3.0, 1.0, 2.0, 1.5])
        assert found == pytest.approx([math.log(2), 0, -math.log(2), 0])
        with pytest.raises(UserError, match="row q: the chosen completion scores 1, the rejected 1"):
            rewards(Score("log"), "a", "b", scores=[1.0, 1.0], ids=["q", "q"])

    def test_rouge_is_that_of_the_best_reference(self) -> None:
        """ "the cat" against "the dog": 1 of 2 words each way, F = 1/2; against "the cat sat": 2/2 and 2/3, F = 4/5."""
        found = rewards(Rouge(), "the cat", "the cat", references=[("the dog",), ("the dog", "the cat sat")])
        assert found == pytest.approx([0.5, 0.8])

    def test_rouge_compares_stems(self) -> None:
        """ "walked" and "walks" are one word, "walker" is another: 3 of 3 words, 2 of 3."""
        found = rewards(Rouge(), "he walked home", "he walker home", references=[("he walks home",)] * 2)
        assert found == pytest.approx([1, 2 / 3])

    @pytest.mark.parametrize(
        ("ask", "sentence"),
        [
            (lambda: rewards(Score(), "a", "b", ids=["r", "r"], scores=[1.0, None]), "row r lacks score_chosen"),
            (
                lambda: rewards(Score(), "a"),
                "the data lacks score_chosen and score_rejected, which margin_reward=score",
            ),
            (
                lambda: rewards(Rouge(), "a", ids=["r"], references=[()]),
                "row r has no reference, which margin_reward=r",
            ),
            (lambda: rewards(Rouge(), "a"), "the data has no reference"),
        ],
    )
    def test_what_is_missing_is_named(self, ask: Callable[[], object], sentence: str) -> None:
        with pytest.raises(MissingColumn, match=sentence):
            ask()


class TestColumnsBeforeAModel:
    """What rows lack is told without tokens; rows that no limit keeps are not asked."""

    ROWS = (
        PairRow("r", "d", "a", "b", 2.0, 1.0, ("reference", "another")),
        PairRow("same", "d", "a", "a"),
        PairRow("bare", "d", " ", "a"),
    )

    @pytest.mark.parametrize("reward", [Score(), Score("log"), Rouge()])
    def test_of_rows(self, reward: ColumnReward) -> None:
        reward.check_columns(columns_of(self.ROWS))
        with pytest.raises(MissingColumn, match="row x "):
            reward.check_columns(columns_of([*self.ROWS, PairRow("x", "d", "a", "b")]))

    def test_of_a_chosen_completion_that_is_not_ahead(self) -> None:
        rows = [PairRow("x", "d", "a", "b", 1.0, 1.0)]
        Score().check_columns(columns_of(rows))
        with pytest.raises(UserError, match="row x: the chosen completion scores 1, the rejected 1"):
            Score("log").check_columns(columns_of(rows))

    def test_only_those_that_read_columns_are_asked(self) -> None:
        asked = [
            each for each in (Length(), Coverage(), Score(), Rouge(), Constant()) if isinstance(each, ColumnReward)
        ]
        assert asked == [Score(), Rouge()]


def test_constant() -> None:
    assert rewards(Constant(2.5), "a", "b") == [2.5, 2.5]


GUARDS: list[tuple[Callable[[], object], str]] = [
    (lambda: LengthBudget(0), "target must be > 0, got 0 (config key target)"),
    (lambda: LengthBudget(5, "lines"), "unit must be one of tokens, words, characters, got lines"),
    (lambda: LengthBudget(5, shape="cubic"), "shape must be one of linear, quadratic, got cubic"),
    (lambda: Score("ratio"), "form must be one of difference, log, got ratio"),
    (lambda: Rouge("rouge3"), "type must be one of rouge1, rouge2, rougeL, rougeLsum, got rouge3"),
    (lambda: Constant(math.nan), "value must be a number, got nan"),
]


@pytest.mark.parametrize(("make", "sentence"), GUARDS)
def test_refused(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        make()
    assert sentence in str(refusal.value)


@given(st.lists(st.text(max_size=30), max_size=5))
def test_one_finite_number_a_text(texts: Sequence[str]) -> None:
    more: dict[str, Any] = {"references": [("a reference",)] * len(texts), "scores": [1.0] * len(texts)}
    for reward in (LengthBudget(3), Compression(), Coverage(), Density(), Score(), Rouge(), Constant()):
        assert isinstance(reward, MarginReward)
        found = rewards(reward, *texts, **more)
        assert len(found) == len(texts) and all(type(value) is float and math.isfinite(value) for value in found)
