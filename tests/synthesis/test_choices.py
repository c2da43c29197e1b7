"""Scores and choices in words: what is plainly one, what is none, and what takes one back."""

import pytest

from summpo.synthesis.answers import Verdict, read_verdict
from summpo.synthesis.choices import TIE, choice_in, said_outright, stands
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected


def score_of(text: str) -> float | str:
    """The score that is read of a text, or the reason why it is not."""
    answer = f"Total score 1: {text}\nTotal score 2: 4\nBest summary: 1"
    read = read_verdict(Answer(answer, "stop", "teacher", 1, 1))
    return read.reason if isinstance(read, Rejected) else read.scores[0]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("16", 16),
        (" **16** ", 16),
        ("[16]", 16),
        ("16.", 16),
        ("16.5", 16.5),
        ("16, for its order", 16),
        ("16/18", 16),
        ("16 of 18", 16),
        ("16 out of a total of 18", 16),
        ("16 points", 16),
        ("16 - good", 16),
        ("**16**", 16),
        ("16 (5 + 5 + 4 + 2)", 16),
        ("5 + 5 + 4 + 2 = 16", 16),
        ("5+5+4+2=16/18", 16),
        ("16 (coherence 5/5, consistency (5), RELEVANCE = 4, fluency: 2/3)", 16),
        ("-3", "score_out_of_range"),
        ("15 points out of 20", "score_out_of_range"),
        ("18 (coherence 5, consistency 4, relevance 4, fluency 5)", "score_out_of_range"),
        ("~~15~~ 11", "unexpected_part"),
        ("16 (out of 20)", "no_numbers"),
        ("16 (5 + 4 + 4 + 2)", "total_not_the_sum"),
        ("5 + 4 + 4 + 2 = 16", "total_not_the_sum"),
        *[
            (text, "no_numbers")
            for text in (
                "high", "a 16", "16%", "16 %", "16th", "14-16", "14 to 16", "14 or 16", "5, 4, 4, 3", "5 + 4 + 4 + 3",
                "16,5", "12:30", "123456", "15? 14", "15?", "15, or rather 11", "15 (previously 11)",
                "15, I take it back: 11", "15 although it deserves 11", "15 minus 3", "1 6", "15 **11**", "~15",
                "<16", "16/18 = 89%", "16 + 5 + 4", "15, no, eleven", "15 -> 11", "15 \u2192 11", 
                "15, minus a penalty", "a total of many", "15\nCorrection: 11", "15\nNo, eleven.", "$16$",
            )
        ],
    ],
)  # fmt: skip
def test_scores(text: str, score: float | str) -> None:
    assert score_of(text) == score


def test_no_score_is_none() -> None:
    assert score_of("") == "missing_part"


def test_marks_of_criteria_are_added_where_no_total_is_given() -> None:
    marks = "- Coherence: 5/5\n- consistency (1-5): 4\n- **RELEVANCE** = 3, for it is brief\n* **Fluency:** 2"
    text = f"Summary 1\n{marks}\nSummary 2\nTotal score: 4\nBest summary: 1"
    assert read_verdict(Answer(text, "stop", "teacher", 1, 1)) == Verdict((14, 4), ("", ""), 1)


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
        ("Summary B", 2),
        ("B", 2),
        ("Number 2", 2),
        ("is Summary 2.", 2),
        ("Summary 1 is better.", 1),
        ("Summary 1 (more of the causes)", 1),
        ("1.0", 1),
        ("\uff12", 2),
        ("②", 2),
        ("Summary No. 2", 2),
        ("- 1", 1),
        ("tie", TIE),
        ("A tie.", TIE),
        ("the same", TIE),
        ("equally good, for both are true", TIE),
        ("neither", TIE),
        *[
            (text, None)
            for text in (
                "", "3", "12", "1.5", "1/2", "1 or 2", "1 and 2", "1, 2", "1 - 2", "Summary 1 & Summary 2",
                "Summary 1 = Summary 2", "Summary 2, Summary 1", "Summary 1 (not Summary 2)", "both", "one of them",
                "1 for brevity", "1 with reservations", "1, if you like it short", "Summary 1 is better in style",
                "One could say 2", "one for each", "not 1", "1 is worse", "Summary 1 is longer but 2 is best",
                "Although Summary 1 is longer, Summary 2", "-1", "1%", "1?", "1\u00b2", "+1", "a", "A summary of it", "I",
                "1. It is brief.\n2. It is true.", "not equal", "the same as 1", "both are bad but 1 is true", "tie or 1",
                "no tie", "two", "the better one", "Summary 1 \u274c", "~~1~~ 2", "1x", "1e3", "tie (1)", "1 (tie)",
            )
        ],
    ],
)  # fmt: skip
def test_the_best(text: str, best: int | None) -> None:
    chosen = choice_in(text)
    assert (chosen[0] if chosen is not None and stands(*chosen) else None) == best


@pytest.mark.parametrize(
    "behind",
    [
        "\nBut I would go with 2.",
        "\n\nWait: 2.",
        "\nI change my mind. Summary 2 wins.",
        ", sadly, is beaten by 2",
        " since 2 is better",
        " (though 2 deserves it)",
        " (just kidding, 2)",
        " - no wait, 2",
        "\nActually, on reflection the second one is stronger.",
        ", as Summary 2 is better written",
        ". Sorry, I meant 2.",
        "\n2",
        " (2)",
        "\nMaybe Summary 2?",
        "\nSummary 2 should be preferred.",
        "\nI mean B.",
        "\nThough honestly 2 reads better.",
        "\nThe other one is better.",
        "\nActually the other.",
        "\nUpdate: second.",
        "\nSwitching to 2.",
        "\nMy vote: 2",
        "\nSummary 2 lacks the flaws of the first.",
        "\nSummary 2 nails it.",
        "\nThey are equal.",
        ", a draw",
        "\nWait.",
        "\nNo, that cannot be.",
        "\nHmm...",
        "\nScratch that.",
        ". It is brief. I was wrong.",
        "\nThat is wrong.",
        "\nIt isn't.",
        "\nIt is the one to drop.",
        "\nNein, die zweite.",
        "\n\u24f6 \u2461",
        "\nI hope that 2 helps.",
    ],
)
def test_a_choice_that_is_taken_back_does_not_stand(behind: str) -> None:
    assert not stands(1, behind)


@pytest.mark.parametrize(
    "behind",
    [
        "",
        ".",
        "**\n```\n",
        " is better than Summary 2.",
        ", because it has the year and reads well",
        " (more faithful)",
        "\nUnlike Summary 2, it names the year.",
        "\nSummary 1 names the year.",
        "\n\nI hope this helps! Let me know if you have other questions.",
    ],
)
def test_a_choice_stands_with_remarks_on_what_is_chosen(behind: str) -> None:
    assert stands(1, behind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Summary 2 is better.", {2}),
        ("It is brief. Overall, I think the first one is the better summary.\nSo", {1}),
        ("I would choose Summary A over Summary B.", {1}),
        ("I'd go with the second.", {2}),
        ("Summary 1 is worse.", {2}),
        ("They are equally good.", {TIE}),
        ("It's a tie", {TIE}),
        ("Summary 2 is better written.", set()),
        ("Summary 2 is not better.", set()),
        ("On fluency, Summary 2 is better.", set()),
        ("If so, Summary 2 is better at that.", set()),
        ("They are equally long.", set()),
        ("Best summary (1 or 2)", set()),
    ],
)
def test_sentences_that_choose(text: str, said: set[int]) -> None:
    assert said_outright(text) == said
