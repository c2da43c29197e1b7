"""Tokens and dollars by hand, and the bound that a limit stands on."""

import math
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.teacher.budget import Budget, Prices, Spent, Tokens, at_most, prompt_tokens, rough_tokens
from summpo.teacher.records import Request

PRICES = Prices(2.0, 10.0)


def request(*contents: str, max_tokens: int = 100) -> Request:
    return Request("t", "s", tuple(("user", content) for content in contents), max_tokens, 0.0)


def test_what_tokens_cost() -> None:
    """500,000 prompt tokens at $2 a million and 20,000 of answers at $10: 1.00 + 0.20."""
    assert PRICES.cost(Tokens(500_000, 20_000)) == pytest.approx(1.2)
    assert Prices(2.0, None).cost(Tokens(1, 1)) is None
    assert Prices(0.0, 0.0).cost(Tokens(10**9, 10**9)) == 0.0


def test_a_limit_without_a_price_is_refused() -> None:
    with pytest.raises(UserError) as refusal:
        Budget(Prices(2.0, None), 5.0, Spent())
    assert str(refusal.value) == (
        "max_cost=5 needs the teacher's prices: set teacher.price_per_million_prompt and "
        "teacher.price_per_million_completion (config key max_cost)"
    )
    with pytest.raises(UserError, match="max_cost must be >= 0, got -1"):
        Budget(PRICES, -1, Spent())
    for odd in (math.inf, -math.inf, math.nan):
        with pytest.raises(UserError) as refusal:
            Budget(PRICES, odd, Spent())
        assert str(refusal.value) == (
            f"max_cost must be a finite number of dollars, or null for no limit, got {odd} (config key max_cost)"
        )
    assert Budget(Prices(None, None), None, Spent()).fits(Tokens(10**12, 0))


def test_nothing_that_could_go_over_fits() -> None:
    """At $1 for a million of either, a limit of $0.001 is 1000 tokens.

    300 are paid, 200 maybe: 500 are left. 400 at stake leave 100; an answer of 50 gives 350 of them back, 450 are left.
    What is lost on the way stays counted: 450 - 250 = 200; what was refused at the door gives all back.
    """
    budget = Budget(Prices(1.0, 1.0), 0.001, Spent(Tokens(200, 100), Tokens(200, 0), 1, 1))
    assert budget.fits(Tokens(500, 0)) and not budget.fits(Tokens(400, 101))
    budget.send(Tokens(300, 100))
    assert budget.in_flight == 1
    assert budget.fits(Tokens(0, 100)) and not budget.fits(Tokens(101, 0))
    budget.settle(Tokens(300, 100), Tokens(40, 10), False)
    assert budget.fits(Tokens(450, 0)) and not budget.fits(Tokens(451, 0))
    budget.send(Tokens(200, 50))
    budget.settle(Tokens(200, 50), None, True)
    assert budget.fits(Tokens(200, 0)) and not budget.fits(Tokens(201, 0))
    budget.send(Tokens(200, 0))
    budget.settle(Tokens(200, 0), None, False)
    assert budget.fits(Tokens(200, 0))
    assert budget.spent == Spent(Tokens(240, 110), Tokens(400, 50), 2, 2)


def test_a_bound_by_hand() -> None:
    """ "né" has 3 bytes, "cat" 3; 64 for the template and 16 for each of two messages: 102."""
    assert at_most(request("né", "cat")) == Tokens(102, 100)
    assert rough_tokens("twelve chars") == 3
    assert prompt_tokens(request("twelve chars", "cat")) == 3 + 4 + 1 + 4


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_prompt_has_more_tokens_than_its_bound(tiny_model_path: Path, contents: list[str]) -> None:
    """A byte-level vocabulary of 300, in which most characters are tokens of their own, and its chat template."""
    tokenizer = tokenizer_of(tiny_model_path)
    messages = [{"role": "user", "content": content} for content in contents]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert len(ids) <= at_most(request(*contents)).prompt


@cache
def tokenizer_of(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
