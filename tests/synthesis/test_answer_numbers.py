"""Scores and verdicts in words: what is plainly one, and what is none."""

import pytest

from summpo.synthesis.parsing.choices import best_of, is_called_tie, is_taken_back, is_tie, other_best_in, said_outright
from summpo.synthesis.parsing.marks import usual
from summpo.synthesis.parsing.numbers import Mark, mark_of, marks_within, total_of


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("16", Mark(16)),
        (" **16** ", Mark(16)),
        ("[16]", Mark(16)),
        ("16.", Mark(16)),
        ("16.5", Mark(16.5)),
        ("16, for its order", Mark(16)),
        ("16/18", Mark(16, 18)),
        ("16 of 18", Mark(16, 18)),
        ("16 out of a total of 18", Mark(16, 18)),
        ("16 points", Mark(16)),
        ("-3", Mark(-3)),
        ("16 - good", Mark(16)),
        ("", None),
        ("high", None),
        ("a 16", None),
        ("16%", None),
        ("16th", None),
        ("14-16", None),
        ("14 to 16", None),
        ("14 or 16", None),
        ("5, 4, 4, 3", None),
        ("5 + 4 + 4 + 3", None),
        ("16,5", None),
        ("12:30", None),
        ("123456", None),
        ("15 points out of 20", Mark(15, 20)),
        ("15? 14", None),
        ("15, or rather 11", None),
        ("15 (previously 11)", None),
        ("15, I take it back: 11", None),
        ("15 although it deserves 11", None),
        ("15 minus 3", None),
        ("1 6", None),
        ("15 **11**", None),
    ],
)
def test_marks(text: str, mark: Mark | None) -> None:
    assert mark_of(text) == mark


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("16 (5 + 4 + 4 + 3)", Mark(16)),
        ("5 + 4 + 4 + 3 = 16", Mark(16)),
        ("5+4+4+3=16/18", Mark(16, 18)),
        ("16/18 = 89%", Mark(16, 18)),
        ("coherence 5, consistency 4, relevance 4, fluency 3, total: 16", Mark(16)),
        ("5, 4, 4, 3 (total 16)", Mark(16)),
        ("\n \n**16**\n12", Mark(16)),
        ("5 + 4 + 4 + 3", None),
        ("a total of many", None),
    ],
)
def test_totals(text: str, total: Mark | None) -> None:
    assert total_of(text) == total


def test_marks_of_criteria() -> None:
    assert marks_within("Coherence: 5/5, consistency (1-5): 4; RELEVANCE = 3 | fluency is 2") == [
        ("coherence", Mark(5, 5)),
        ("consistency", Mark(4)),
        ("relevance", Mark(3)),
        ("fluency", Mark(2)),
    ]
    assert marks_within("coherent, with much consistency and relevance") == []


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("1", 1),
        ("2.", 2),
        ("**Summary 2**", 2),
        ("summary_2", 2),
        ("Summary #1", 1),
        ("the first", 1),
        ("The second summary.", 2),
        ("the second one, because it is shorter", 2),
        ("Summary One", 1),
        ("two", 2),
        ("Summary B", 2),
        ("Number 2", 2),
        ("is Summary 2.", 2),
        ("2 (16/18)", 2),
        ("Summary 1 (not Summary 2)", 1),
        ("1 - Summary 1 has the year", 1),
        ("Summary 2: the second is shorter", 2),
        ("2. Summary 1 is too long.", 2),
        ("Summary 1 is better.", 1),
        ("Summary 1 with a score of 16", 1),
        ("1️⃣", 1),
        ("Summary 2️⃣, for it is short", 2),
        ("②", 2),
        ("Summary No. 2", 2),
        ("Summary 1 🎉", 1),
        ("Summary 1 ❌", None),
        ("-1", None),
        ("- 1", 1),
        ("1%", None),
        ("1?", None),
        ("1. It is brief.\n2. It is true.", None),
        ("", None),
        ("3", None),
        ("12", None),
        ("1.5", None),
        ("1/2", None),
        ("1 or 2", None),
        ("1, 2", None),
        ("1 - 2", None),
        ("1 and 2", None),
        ("Summary 1 & Summary 2", None),
        ("Summary 1 = Summary 2", None),
        ("Summary 2, Summary 1", None),
        ("both", None),
        ("Neither", None),
        ("a tie", None),
        ("one of them", None),
        ("One could say 2", None),
        ("not 1", None),
        ("1 is worse", None),
        ("Summary 1 is longer but 2 is best", None),
        ("The first is longer but the second is best", None),
        ("Although Summary 1 is longer, Summary 2", None),
    ],
)
def test_the_best(text: str, best: int | None) -> None:
    assert best_of(usual(text)) == best


@pytest.mark.parametrize(
    "text",
    [
        "1\nBut I would go with 2.",
        "1\n\nWait: 2.",
        "1\nI change my mind. Summary 2 wins.",
        "1, sadly, is beaten by 2",
        "1 since 2 is better",
        "1 (though 2 deserves it)",
        "1 (just kidding, 2)",
        "1 - no wait, 2",
        "1\nActually, on reflection the second one is stronger.",
        "1, as Summary 2 is better written",
        "1. Sorry, I meant 2.",
        "1\n2",
        "1 (2)",
        "1\nMaybe Summary 2?",
        "1 -> 2",
        "1\nSummary 2 should be preferred.",
        "1\nI mean B.",
        "1\nThough honestly 2 reads better.",
        "1\nThe other one is better.",
        "1\nActually the other.",
        "1\nSummary 2 is true and should win.",
        "1\nUpdate: second.",
        "1\nSwitching to 2.",
        "1\nMy vote: 2",
    ],
)
def test_the_other_is_best_all_the_same(text: str) -> None:
    assert other_best_in(text, 1)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1 by a hair over 2",
        "Summary 1 is better than Summary 2.",
        "Summary 1 (not Summary 2)",
        "1\nSummary 2 is brief, but it leaves out the year.",
        "1 (16/18 against 12/18)",
        "1\nIt names the 2 best reasons in 12 words.",
        "1\nReasons:\n1. It is brief.\n2. It is true.",
        "1\n**Summary 2**\nIt leaves out the year.",
        "1\n- Summary 2: it leaves out the year.",
        "1\nWorse: Summary 2",
        "1\nScores: 4, 2",
        "1\nFirst, it is brief. Second, it is true.",
        "1\nSummary 2 is no better.",
        "1\nIt has (1) the year and (2) the cause.",
        "1\nSummary 1 > Summary 2",
    ],
)
def test_the_other_is_not_said_to_be_best(text: str) -> None:
    assert not other_best_in(text, 1)


@pytest.mark.parametrize(
    "text", ["tie", "A tie.", "the same", "equally good, for both are true", "no clear difference", "neither is better"]
)
def test_ties(text: str) -> None:
    assert is_tie(text)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "not equal",
        "the same as 1",
        "both are bad but 1 is true",
        "tie or 1",
        "no tie",
        "",
        "two",
        "the better one",
    ],
)
def test_no_ties(text: str) -> None:
    assert not is_tie(text)


@pytest.mark.parametrize(
    "text", ["Wait.", "No, that cannot be.", "Hmm...", "Scratch that.", "It is brief. I was wrong.", "That is wrong."]
)
def test_doubts(text: str) -> None:
    assert is_taken_back(text)


@pytest.mark.parametrize(
    "text", ["", "No fact is invented.", "It waits for no one: the better one.", "The other says sorry to nobody."]
)
def test_no_doubts(text: str) -> None:
    assert not is_taken_back(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Summary 2 is better.", {2}),
        ("It is brief. Overall, I think the first one is the better summary.\nSo", {1}),
        ("I would choose Summary A over Summary B.", {1}),
        ("They are equally good.", {None}),
        ("It is a tie", {None}),
        ("Summary 2 is better written.", set()),
        ("On fluency, Summary 2 is better.", set()),
        ("If so, Summary 2 is better at that.", set()),
        ("They are equally long.", set()),
    ],
)
def test_sentences_that_choose(text: str, said: set[int | None]) -> None:
    assert said_outright(text) == said


@pytest.mark.parametrize("text", ["1 (tie)", "1\nThey are equal.", "1, a draw"])
def test_a_tie_beside_a_verdict(text: str) -> None:
    assert is_called_tie(text)


def test_no_tie_beside_a_verdict() -> None:
    assert not is_called_tie("1\nIt ties the causes to the year; both are equally true of the document.")
