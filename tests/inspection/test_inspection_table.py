"""The text of an inspection: nothing odd breaks a line."""

from dataclasses import replace
from itertools import pairwise

import pytest

from summpo.inspection import Inspection
from summpo.inspection.lengths import LongerBy, LongerChosen
from summpo.inspection.table import lines, shown_sources
from summpo.margin_rewards.break_even import BreakEven
from support.inspected import CASES, inspection


@pytest.mark.parametrize("found", CASES)
def test_no_line_is_wider_than_100(found: Inspection) -> None:
    text = lines(found)
    assert all(len(line) <= 100 and "\n" not in line for line in text)
    assert text[0] and text[-1] and not any(not a and not b for a, b in pairwise(text))


def test_says_what_it_means() -> None:
    text = "\n".join(lines(inspection(rewards=("length", "coverage"))))
    flat = " ".join(text.split())
    assert "as typical_reward_margin sets it. 1 nat is a guess, for objectives whose reward is beta times a sum" in flat
    assert "for another objective, beta or length of training set it to val/reward_margin of an earlier run" in flat
    assert "under one w, length weighs 10 times what coverage does" in text
    assert "documents in train and validation: 1 of 1 document (100.0%)" in text
    assert "not to be used at any length: identical pair 1" in text


def test_sources_beyond_the_first_are_one() -> None:
    def by(longer: int) -> LongerBy:
        return LongerBy(LongerChosen(10, longer, 10 - longer, 0), LongerChosen(10, 10 - longer, longer, 0))

    found = shown_sources({name: by(n) for n, name in enumerate("abcde")}, 3)
    assert list(found) == ["a", "b", "3 others"]
    assert found["3 others"].tokens == LongerChosen(30, 2 + 3 + 4, 21, 0)
    assert list(shown_sources({name: by(1) for name in "abc"}, 3)) == ["a", "b", "c"]


def test_the_break_even_weight_is_told_or_why_there_is_none() -> None:
    found = inspection(rewards=("length",))
    at = found.rewards["length"].break_even
    assert at.weight is not None

    def said(at: BreakEven, **changes: object) -> str:
        suggested = at.sweep[1:] or (0.1, 1.0)
        reward = replace(found.rewards["length"], break_even=at, suggested=suggested)
        text = lines(replace(found, rewards={"length": reward}, **changes))  # type: ignore[arg-type]
        assert all(len(line) <= 100 for line in text)
        return " ".join(" ".join(text).split())

    text = said(BreakEven(0.022, 0.007))
    assert "length w 0.022 0.007" in text and "Weights to try go from half of it to four times it" in text
    assert "no break-even weight above 0" not in text and "no more than a guide" not in text
    for none, word in ((BreakEven(-0.3, 0.1), "-0.3 0.1"), (BreakEven(None, None, "raised"), "every w raises -"),
                       (BreakEven(None, None, "lowered"), "every w lowers -")):  # fmt: skip
        text = said(none)
        assert f"length w {word}" in text
        assert "length: no break-even weight above 0; weights go from where the median pair's margin" in text
    text = said(BreakEven(0.022, 0.007), break_even_is_of_objective=False)
    assert "it is that of dpo and modpo, and no more than a guide for this objective" in text
