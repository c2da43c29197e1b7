"""Tokens and money: what was paid, what may have been, and whether one more request could go over a limit.

It knows no endpoint: an answer's tokens are those that the endpoint counted; where it did not, and where there is no
answer, they are bounded from above, by bytes. No tokenizer that we know makes more tokens of a text than it has bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from summpo.errors import require_field, require_number
from summpo.teacher.records import Answer, Request

PROMPT_OVERHEAD, MESSAGE_OVERHEAD = 64, 16
"""Tokens that a chat template puts around a prompt and around each of its messages, at most."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of prompts and of answers, which have different prices."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt - other.prompt, self.completion - other.completion)

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True)
class Prices:
    """Dollars for a million tokens; None where it is not known."""

    prompt: float | None
    completion: float | None

    @property
    def are_known(self) -> bool:
        return self.prompt is not None and self.completion is not None

    def cost(self, tokens: Tokens) -> float | None:
        """Dollars, or None where a price is not known."""
        if self.prompt is None or self.completion is None:
            return None
        return (tokens.prompt * self.prompt + tokens.completion * self.completion) / 1e6


def require_price(max_cost: float | None, prices: Prices) -> None:
    """Guards a limit in dollars.

    Raises:
        FieldError: it is no amount, or nobody knows what a token costs.
    """
    if max_cost is None:
        return
    is_amount = not isinstance(max_cost, float) or math.isfinite(max_cost)
    sentence = f"max_cost must be a finite number of dollars, or null for no limit, got {max_cost}"
    require_field("max_cost", is_amount, sentence)
    require_number("max_cost", max_cost, low=0)
    require_field(
        "max_cost",
        prices.are_known,
        f"max_cost={max_cost:g} needs the teacher's prices: set teacher.price_per_million_prompt and "
        "teacher.price_per_million_completion",
    )


def at_most(request: Request) -> Tokens:
    """The tokens that a request can cost: its bytes and what a chat template adds; all that its answer may have."""
    overhead = PROMPT_OVERHEAD + MESSAGE_OVERHEAD * len(request.messages)
    texts = sum(len(content.encode("utf-8", "surrogatepass")) for _, content in request.messages)
    return Tokens(overhead + texts, request.max_tokens)


def uncounted_in(answer: Answer) -> Tokens:
    """The tokens of an answer that the endpoint did not count, at most."""
    return Tokens(
        0 if answer.prompt_is_counted else answer.prompt_tokens,
        0 if answer.completion_is_counted else answer.completion_tokens,
    )


def rough_tokens(text: str) -> int:
    """About as many tokens as a text has, for plans and paces: four bytes each."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def prompt_tokens(request: Request, count: Callable[[str], int] = rough_tokens) -> int:
    """About as many tokens as a request's prompt has."""
    return sum(count(content) + 4 for _, content in request.messages)


@dataclass(frozen=True)
class Spent:
    """What all requests so far have cost."""

    paid: Tokens = Tokens()
    """Tokens of answers that came, as the endpoint counted them, or at most where it did not."""
    maybe: Tokens = Tokens()
    """At most, of requests that may have been paid and brought no answer: timeouts, cut answers, kills."""
    answers: int = 0
    maybe_paid: int = 0
    """Such requests."""
    uncounted: Tokens = Tokens()
    """Those of `paid` that the endpoint did not count: an upper bound."""
    uncounted_answers: int = 0
    """Answers with such tokens."""


class Budget:
    """What is spent and at stake, against a limit. It belongs to one event loop."""

    def __init__(self, prices: Prices, max_cost: float | None, spent: Spent) -> None:
        require_price(max_cost, prices)
        self.prices, self.max_cost, self.spent = prices, max_cost, spent
        self.at_stake, self.in_flight = Tokens(), 0

    def fits(self, tokens: Tokens) -> bool:
        """Whether a request of so many tokens, at most, cannot go over: all at stake and all maybe paid is counted."""
        if self.max_cost is None:
            return True
        cost = self.prices.cost(self.spent.paid + self.spent.maybe + self.at_stake + tokens)
        return cost is not None and cost <= self.max_cost

    def send(self, most: Tokens) -> None:
        """A request goes out that costs so much at most."""
        self.at_stake, self.in_flight = self.at_stake + most, self.in_flight + 1

    def settle(self, most: Tokens, paid: Tokens | None, is_maybe_paid: bool, uncounted: Tokens = Tokens()) -> None:
        """It came back: with an answer of so many tokens, or with none, paid perhaps or not.

        Args:
            uncounted: of `paid`, what the endpoint did not count.
        """
        self.at_stake, self.in_flight = self.at_stake - most, self.in_flight - 1
        was = self.spent
        if paid is not None:
            self.spent = replace(
                was,
                paid=was.paid + paid,
                answers=was.answers + 1,
                uncounted=was.uncounted + uncounted,
                uncounted_answers=was.uncounted_answers + (uncounted.total > 0),
            )
        elif is_maybe_paid:
            self.spent = replace(was, maybe=was.maybe + most, maybe_paid=was.maybe_paid + 1)
