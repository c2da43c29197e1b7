"""What a command says of money: before anything is sent, and after. Words alone; the counting is done elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from summpo.teacher.endpoint_words import one_line
from summpo.teacher.hints import with_hint

if TYPE_CHECKING:
    from summpo.teacher.asking import Asked
    from summpo.teacher.budget import Spent
    from summpo.teacher.estimate import Estimate


def in_words(found: Estimate) -> str:
    """An estimate in a line."""
    dollars = (
        "the price is not known (teacher.price_per_million_prompt, teacher.price_per_million_completion)"
        if found.cost_at_most is None
        else f"at most {found.cost_at_most:,.2f} dollars"
    )
    answered = f" beside {found.answered:,} that are answered" if found.answered else ""
    return (
        f"{found.tasks:,} tasks, {found.requests:,} requests{answered}, about "
        f"{found.expected.prompt:,} tokens to read and at most {found.at_most.completion:,} to write: {dollars}"
    )


def bill(asked: Asked, model: str) -> list[str]:
    """What was asked of a model, what it cost, and what was said of tasks that came to nothing."""
    spent = asked.spent
    at_most = "at most " if spent.uncounted_answers else ""
    cost = "price not known" if asked.cost is None else f"{at_most}{asked.cost:,.4g} dollars"
    maybe = f", and at most {asked.cost_maybe:,.4g} maybe" if asked.cost_maybe else ""
    said = [
        f"teacher: {spent.answers + spent.maybe_paid:,} requests, {spent.paid.prompt:,} tokens read, "
        f"{spent.paid.completion:,} written: {cost}{maybe}{counted_by(spent)}"
    ]
    if asked.other_models:
        names = ", ".join(f"{one_line(name) or 'no name'} {count:,}" for name, count in asked.models.items())
        said.append(f"teacher: {asked.other_models:,} answers name another model than {model}: {names}")
    for reason, words in asked.words.items():
        said.append(f"teacher: {reason} {asked.rejected[reason]:,}, the first of them: {with_hint(one_line(words))}")
    return said


def counted_by(spent: Spent) -> str:
    """Which of the tokens the endpoint has counted, and which are an upper bound."""
    if not spent.answers:
        return ""
    if not spent.uncounted_answers:
        return "; tokens as the endpoint counted them"
    bound, counted = spent.uncounted, spent.paid - spent.uncounted
    if not counted.total:
        return "; the endpoint counted no tokens, these are upper bounds"
    return (
        f"; the endpoint counted {counted.prompt:,} and {counted.completion:,} of these tokens, the other "
        f"{bound.prompt:,} and {bound.completion:,} are upper bounds, of {spent.uncounted_answers:,} answers"
    )
