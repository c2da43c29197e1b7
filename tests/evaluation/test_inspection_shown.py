"""The text and the picture of an inspection, from records made here: nothing odd breaks a line or a panel."""

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imread

from summpo.evaluation.inspection_figure import draw
from summpo.evaluation.inspection_table import lines, shown_sources
from summpo.inspection import (
    Fit,
    Inspection,
    Lengths,
    LongerBy,
    LongerChosen,
    Repeats,
    Reward,
    Shared,
    histogram,
    longer_by,
    longer_by_difference,
    points,
    quantiles,
    suggested_weights,
    sweep_of,
    tendency,
)


def inspection(
    pairs: int = 200, sources: int = 3, rewards: tuple[str, ...] = ("length",), size: int = 60
) -> Inspection:
    rng = np.random.default_rng(0)
    chosen, rejected = rng.integers(1, size, pairs), rng.integers(1, size, pairs)
    lengths = Lengths(chosen, rejected, chosen // 2, rejected // 2)
    margins = (
        np.stack([(rejected - chosen) / 10**n for n in range(len(rewards))], axis=1) if rewards else np.zeros((0, 0))
    )
    weights = [None] * len(rewards)
    by = longer_by(lengths)
    return Inspection(
        dataset="Jsonl $pairs_1^$.jsonl",
        split="train",
        pairs=pairs,
        stops=None,
        fit=Fit(pairs + 3, 512, "drop", {"identical_pair": 1}, 2, 1, quantiles(chosen + 400)),
        longer=by,
        by_source={f"$a_{n}^$ source with a long name, number {n}": by for n in range(sources)},
        by_difference=longer_by_difference(chosen, rejected),
        lengths={"chosen": quantiles(chosen), "rejected": quantiles(rejected)},
        histogram=histogram(chosen, rejected),
        tendencies={"length in tokens": tendency(chosen - rejected)},
        repeats=Repeats(pairs, 7, pairs, 0, 0, 0, 1.0),
        shared=(Shared("train", "validation", 1, 1, 1, 1),),
        unread={"test": "folder x has no file test.jsonl " + "and more words " * 12},
        typical_reward_margin=1.0,
        rewards={
            name: Reward(None, tendency(m), quantiles(abs(m)), suggested_weights(m, 1.0))
            for name, m in zip(rewards, margins.T, strict=True)
        },
        weighed=points(margins, weights, 0.0, 1.0),
        sweep=sweep_of(margins, weights, 1.0),
        command="summpo train -m w=0,0.1",
    )


CASES = [
    inspection(),
    inspection(pairs=1, sources=1, rewards=()),
    inspection(pairs=123456, sources=30, rewards=("length", "coverage", "a_margin_reward_with_a_very_long_name")),
    inspection(pairs=2000, sources=0, size=5000),
    inspection(pairs=5, size=2),  # every completion has one token
]


@pytest.mark.parametrize("found", CASES)
def test_no_line_is_wider_than_100(found: Inspection) -> None:
    text = lines(found)
    assert all(len(line) <= 100 and "\n" not in line for line in text)
    assert text[0] and text[-1] and not any(not a and not b for a, b in pairwise(text))


@pytest.mark.parametrize("found", CASES)
def test_draws(found: Inspection) -> None:
    picture = imread(io.BytesIO(draw(found)))
    assert picture.shape[:2] == (1120, 1540)
    assert picture.std() > 0.02  # something is drawn


def test_says_what_it_means() -> None:
    text = "\n".join(lines(inspection(rewards=("length", "coverage"))))
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
