"""What a judge's answers decide: as models write them, and nothing where it is not plain."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.evaluation.verdicts import read_verdict
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected


def answer(text: str, finish_reason: str = "stop", thoughts: str = "") -> Answer:
    return Answer(text, finish_reason, "judge", 10, 5, thoughts)


@pytest.mark.parametrize(
    ("text", "first_wins"),
    [
        ("It keeps the point.\nBetter: 1", 1.0),
        ("Better: 2", 0.0),
        ("Better: tie", 0.5),
        ("**Better:** 2", 0.0),
        ("**Better: Summary 1**", 1.0),
        ("## Better summary: 2.", 0.0),
        ("> better - two", 0.0),
        ("Better: neither", 0.5),
        ("Better: 1\nBetter: 1", 1.0),
        ("Summary 1 is better written, Better: 2 would be wrong.\nBetter: 1", 1.0),
        ("better：summary_2", 0.0),
        ("`Better: 1`", 1.0),
        # behind the reason, on its line
        ("It names the boats. Better: 1", 1.0),
        ("Reason: it names the boats! **Better:** 2", 0.0),
        ("Summary 1 is the more fluent; better: 2", 0.0),
        ("(Both are short.) Better: tie", 0.5),
        ("It is close, so better: 1", 1.0),
        # with a remark
        ("Better: Summary 1 (more faithful)", 1.0),
        ("Better: 2 - it says what was decided", 0.0),
        ("Better: 1, because Summary 2 invents a date", 1.0),
        ("Better: tie (both are faithful)", 0.5),
        ("Better: both summaries are equally good", 0.5),
        ("Better: [1]", 1.0),
        ("Better: $\\boxed{2}$", 0.0),
        ("<answer>Better: 2</answer>", 0.0),
        # under other words
        ("The better summary is Summary 2.", 0.0),
        ("Final verdict: Summary 1", 1.0),
        ("Winner: 2", 0.0),
        ("Better:\n\n2", 0.0),
        # JSON
        ('{"better": 1}', 1.0),
        ('{"reason": "At first sight. Better: 2. But it invents.", "better": "1"}', 1.0),
        ('```json\n{"reason": "It is brief.", "better": "Summary 2"}\n```', 0.0),
        ('Here it is: {"winner": "summary_1"}', 1.0),
        ('{"better": "tie"}', 0.5),
        ('{"verdict": {"better_summary": 2}}', 0.0),
        ('{"better": 1,}', 1.0),
        ('{"coherence": {"better": "1"}, "relevance": {"better": "1"}, "overall": {"better": "2"}}', 0.0),
        ('{"coherence": {"winner": "1"}, "winner": "2"}', 0.0),
        ('verdict={"better": "2"}', 0.0),
        ("It is close, and more could be said of it. " * 8 + '{"better": "1"}', 1.0),
    ],
)
def test_verdicts_as_models_write_them(text: str, first_wins: float) -> None:
    assert read_verdict(answer(text)) == first_wins


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("The first is better.", "stop", "no_verdict"),
        ("Better: 3", "stop", "no_verdict"),
        ("Better: 12", "stop", "no_verdict"),
        ("Better: 1 or 2", "stop", "no_verdict"),
        ("It is close.\nBetter: 1 | 2 | tie", "stop", "no_verdict"),
        ('Better: "1", "2" or "tie"', "stop", "no_verdict"),
        ("Better: [1|2]", "stop", "no_verdict"),
        ("Better: 1 ... 2", "stop", "no_verdict"),
        ('{"better": "1|2|tie"}', "stop", "no_verdict"),
        ('Draft: {"reason": "x", "better": "1"}. Final: {"reason": "y", "better": "2"}', "stop", "contradicts_itself"),
        ('{"reason": "r", "better": "1"} {"reason": "r", "better": "2"}', "stop", "contradicts_itself"),
        ("Better: not 1", "stop", "no_verdict"),
        ('{"summary_1": 4, "summary_2": 5}', "stop", "no_verdict"),
        ("It is not better: 2 mistakes are in it.", "stop", "no_verdict"),
        ("The first one keeps the", "length", "truncated"),
        ("Better: 1", "length", "truncated"),
        ("Better: 1", "MAX_TOKENS", "truncated"),
        ("Better: 1\nBetter: 2", "stop", "contradicts_itself"),
        ('{"better": 2}\nBetter: 1', "stop", "contradicts_itself"),
        ("Better: 1\nActually, Summary 2 is better.", "stop", "contradicts_itself"),
        ("Better: 1", "content_filter", "content_filter"),
        ("Better: 1", "SAFETY", "content_filter"),
        ("Better: 1", "refusal", "refusal"),
        ("I'm sorry, but I can't help with that.", "stop", "refusal"),
    ],
)
def test_what_decides_nothing(text: str, finish_reason: str, reason: str) -> None:
    found = read_verdict(answer(text, finish_reason))
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (reason, text)


@pytest.mark.parametrize(
    "thought",
    [
        "<think>Better: 2?</think>\n",
        "<think>\nBetter: 2\n</think>\n\n",
        "Better: 2 at first sight.\n</think>\n",  # opened in the prompt
        "[THINK]Better: 2[/THINK]",
        "<thought>Better: 2</thought>",
        "<reasoning>\nBetter: 2\n</reasoning>\n",
        "<|channel|>analysis<|message|>Better: 2<|end|><|start|>assistant<|channel|>final<|message|>",
    ],
)
def test_a_draft_in_a_thought_is_no_verdict(thought: str) -> None:
    assert read_verdict(answer(f"{thought}Better: 1")) == 1.0


@pytest.mark.parametrize("finish_reason", ["length", "stop", ""])
@pytest.mark.parametrize("mark", ["<think>", "[THINK]", "<thought>", "<|channel|>analysis<|message|>"])
def test_a_draft_in_a_thought_without_an_end_is_none_either(mark: str, finish_reason: str) -> None:
    found = read_verdict(answer(f"{mark}\nAt first sight:\nBetter: 2\nHowever the other one says", finish_reason))
    assert isinstance(found, Rejected) and found.reason == (
        "truncated" if finish_reason == "length" else "empty_answer"
    )


def test_an_answer_of_thoughts_alone_says_so() -> None:
    found = read_verdict(answer("", thoughts="The first names the boats.\nBetter: 1"))
    assert isinstance(found, Rejected) and found.reason == "empty_answer"
    assert (
        found.detail
        == "no text: all of it stands in reasoning_content, which ends 'The first names the boats.\\nBetter: 1'"
    )
    assert read_verdict(answer("", "length", "Hm")) == Rejected(
        "truncated", "cut off after 5 tokens, within its thoughts"
    )
    assert read_verdict(answer("Better: 2", thoughts="Better: 1")) == 0.0
    assert read_verdict(answer("")) == Rejected("empty_answer", "no text")


@given(st.text(max_size=300))
def test_no_answer_is_too_odd(text: str) -> None:
    found = read_verdict(answer(text))
    assert found in (0, 0.5, 1) or isinstance(found, Rejected)
    if not isinstance(found, Rejected):
        assert any(word in text.lower() for word in ("better", "best", "preferred", "winner", "winning", "verdict"))


@pytest.mark.parametrize(
    "part", ["\n", "[", ") ", "better ", "Better: ", "the my final ", '{"a":', "<think>", "Better: 1. "]
)
def test_no_answer_takes_long(part: str) -> None:
    """Seconds of the processor for as long an answer as comes: a hundredth of what a pattern that goes back would take."""
    began = time.process_time()
    read_verdict(answer(part * (50_000 // len(part)) + "x"))
    assert time.process_time() - began < 2
