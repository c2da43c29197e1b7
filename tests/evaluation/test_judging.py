"""A judge's questions and the reading of its answers."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from summpo.evaluation.judging import PLACEHOLDERS, Judgement, JudgeTask
from summpo.synthesis.prompt_files import read_prompt
from summpo.teacher.records import Answer

PROMPT = read_prompt("judge", "judge_prompt", PLACEHOLDERS)
BOTH = JudgeTask("d1", "A {document} with braces.", "summary of a", "summary of b", PROMPT, True, 0, 200)


def answer(text: str, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason, "judge", 10, 5)


def outcome(task: JudgeTask, **texts: str) -> Judgement:
    found = task.proceed({step: answer(text) for step, text in texts.items()})
    assert isinstance(found, Judgement)
    return found


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


@pytest.mark.parametrize("temperature", [None, 0.0, 1.0])
def test_a_judge_has_its_own_settings(temperature: float | None) -> None:
    task = replace(BOTH, temperature=temperature, max_tokens=700, json_schema=True)
    requests = task.proceed({})
    assert isinstance(requests, list)
    assert {(one.temperature, one.max_tokens) for one in requests} == {(temperature, 700)}
    assert json.loads(requests[0].json_schema)["properties"]["better"]["enum"] == ["1", "2", "tie"]
    assert json.loads(requests[0].json_schema)["required"] == ["reason", "better"]


def test_its_usual_requests_are_those_of_journals_of_before() -> None:
    """The key of a request as it was when a request had neither schema nor null, computed apart."""
    request = replace(BOTH, both_orders=False).proceed({})[0]  # pyright: ignore[reportIndexIssue]
    said = {"task": "d1", "step": request.step, "messages": [list(one) for one in request.messages], "max_tokens": 200}
    said |= {"temperature": 0.0, "json_object": False}
    assert request.key("m") == sha256(json.dumps(["m", said]).encode()).hexdigest()
