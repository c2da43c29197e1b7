"""What tasks will cost, before anything is sent: the requests are made as they would be, the answers are imagined."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from summpo.teacher.budget import Tokens, at_most, prompt_tokens, rough_tokens
from summpo.teacher.journal import Journal
from summpo.teacher.records import Answer, Request, Task, requests_in
from summpo.teacher.teacher import Teacher

Imagine = Callable[[Request], Answer]


@dataclass(frozen=True)
class Estimate:
    """What is still to be asked, and what it may cost."""

    tasks: int
    """All of them, the finished ones too."""
    requests: int
    answered: int
    """Requests that the journal answers, beside these."""
    expected: Tokens
    """With answers as they were imagined."""
    at_most: Tokens
    cost_expected: float | None
    """Dollars; None where a price is not known."""
    cost_at_most: float | None


def nothing_but_length(request: Request) -> Answer:
    """An answer of all the tokens that it may have, and no text: a task goes no further than its first requests."""
    return Answer("", "length", "", 0, request.max_tokens)


def estimate(
    tasks: Iterable[Task[Any]],
    teacher: Teacher,
    imagine: Imagine = nothing_but_length,
    journal: Journal | None = None,
    count: Callable[[str], int] = rough_tokens,
) -> Estimate:
    """Goes through all tasks with imagined answers. Nothing is sent, no key is needed.

    Args:
        imagine: a plausible answer to a request, in the form that its task reads, of as many tokens as its
            completion_tokens say: so further questions that hang on the first answer are counted too.
        journal: whose answers are there already and cost nothing.
        count: tokens of a text.
    """
    number = requests = answered = 0
    expected, most = Tokens(), Tokens()
    for task in tasks:
        number += 1
        answers: dict[str, Answer] = {}
        while asked := [each for each in requests_in(task.proceed(answers)) if each.step not in answers]:
            for request in asked:
                past = journal.past(teacher.key_of(request)).answer if journal else None
                answers[request.step] = past or imagine(request)
                answered += past is not None
                if past is None:
                    requests += 1
                    expected += Tokens(prompt_tokens(request, count), answers[request.step].completion_tokens)
                    most += at_most(request)
    prices = teacher.prices
    return Estimate(number, requests, answered, expected, most, prices.cost(expected), prices.cost(most))
