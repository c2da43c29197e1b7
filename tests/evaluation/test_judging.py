"""A judge's questions and the reading of its answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.evaluation.judging import PLACEHOLDERS, Comparison, Verdict, read_verdict
from summpo.synthesis.prompt_files import read_prompt
from summpo.synthesis.records import Answer, Rejected

PROMPT = read_prompt("judge", "judge_prompt", PLACEHOLDERS)
BOTH = Comparison("d1", "A {document} with braces.", "summary of a", "summary of b", PROMPT, True, 0, 200)


def answer(text: str, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason, "judge", 10, 5)


def outcome(task: Comparison, **texts: str) -> Verdict:
    found = task.proceed({step: answer(text) for step, text in texts.items()})
    assert isinstance(found, Verdict)
    return found


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
        ("", "stop", "no_verdict"),
        ("The first one keeps the", "length", "truncated"),
        ("Better: 1\nBetter: 2", "stop", "contradicts_itself"),
        ("Better: 1", "content_filter", "refusal"),
    ],
)
def test_what_decides_nothing(text: str, finish_reason: str, reason: str) -> None:
    found = read_verdict(answer(text, finish_reason))
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (reason, text)


def test_both_orders_are_asked_and_hold_both_summaries() -> None:
    requests = BOTH.proceed({})
    assert isinstance(requests, list)
    texts = {request.step: request.messages[0][1] for request in requests}
    assert list(texts) == ["ab", "ba"]
    assert texts["ab"].index("summary of a") < texts["ab"].index("summary of b")
    assert texts["ba"].index("summary of b") < texts["ba"].index("summary of a")
    assert all("A {document} with braces." in text for text in texts.values())


def test_only_the_order_without_an_answer_is_asked_again() -> None:
    requests = BOTH.proceed({"ab": answer("Better: 1")})
    assert isinstance(requests, list)
    assert [request.step for request in requests] == ["ba"]


@pytest.mark.parametrize(
    ("ab", "ba", "a_wins"),
    [("1", "2", 1.0), ("2", "1", 0.0), ("1", "1", 0.5), ("2", "2", 0.5), ("tie", "tie", 0.5), ("tie", "2", 0.5)],
)
def test_a_mind_that_changes_with_the_order_is_a_tie(ab: str, ba: str, a_wins: float) -> None:
    assert outcome(BOTH, ab=f"Better: {ab}", ba=f"Better: {ba}").a_wins == a_wins


def test_swapping_a_and_b_swaps_the_verdict() -> None:
    swapped = replace(BOTH, a=BOTH.b, b=BOTH.a)
    first_always = {"ab": "Better: 1", "ba": "Better: 2"}
    assert outcome(BOTH, **first_always).a_wins == 1
    assert outcome(swapped, **{"ab": "Better: 2", "ba": "Better: 1"}).a_wins == 0


def test_one_drawn_order() -> None:
    """It depends on seed and id alone, and both orders come up."""
    orders = [replace(BOTH, id=f"d{n}", both_orders=False).orders() for n in range(200)]
    assert orders == [replace(BOTH, id=f"d{n}", both_orders=False).orders() for n in range(200)]
    assert 70 < sum(order == ("ab",) for order in orders) < 130
    assert orders != [replace(BOTH, id=f"d{n}", both_orders=False, seed=1).orders() for n in range(200)]
    task = next(one for n in range(200) if (one := replace(BOTH, id=f"d{n}", both_orders=False)).orders() == ("ba",))
    assert outcome(task, ba="Better: 1").a_wins == 0


@given(st.text(max_size=300))
def test_no_answer_is_too_odd(text: str) -> None:
    found = read_verdict(answer(text))
    assert found in (0, 0.5, 1) or isinstance(found, Rejected)
    if not isinstance(found, Rejected):
        assert "better" in text.lower()
