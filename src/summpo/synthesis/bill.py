"""What a command says of money: before anything is sent, and after. Words alone; the counting is done elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from summpo.synthesis.asking import Asked
    from summpo.synthesis.estimate import Estimate


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
    """What was asked of a model and what it cost."""
    spent = asked.spent
    cost = "price not known" if asked.cost is None else f"{asked.cost:,.4g} dollars"
    maybe = f", and at most {asked.cost_maybe:,.4g} maybe" if asked.cost_maybe else ""
    said = [
        f"teacher: {spent.answers + spent.maybe_paid:,} requests, {spent.paid.prompt:,} tokens read, "
        f"{spent.paid.completion:,} written: {cost}{maybe}"
    ]
    if asked.other_models:
        said.append(f"teacher: {asked.other_models:,} answers name another model than {model}: {asked.models}")
    return said
