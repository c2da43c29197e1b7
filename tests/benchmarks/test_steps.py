"""Medians over turns, means over batches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import steps
from pairs import Shape, padded_tokens, random_columns, shared_tokens
from sides import SUMMPO
from steps import compared, mean_of, over_batches


@dataclass
class ToldClock:
    """Does the work and says seconds that were written down before."""

    seconds_of: list[float]
    unit: str = "CPU s"

    def seconds(self, work: Callable[[], object]) -> float:
        work()
        return self.seconds_of.pop(0)


@dataclass
class Counting:
    """A side that keeps what it was given."""

    steps: list[Any] = field(default_factory=list)

    def batch(self, columns: Any, rows: np.ndarray) -> list[int]:
        return rows.tolist()

    def step(self, batch: list[int]) -> None:
        self.steps.append(batch)


def test_sides_take_each_batch_in_turn_and_its_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours takes 1, 9, 2 seconds of the first batch and 4, 4, 7 of the second: (2 + 4) / 2 = 3. Theirs always 10."""
    sides: Any = {SUMMPO: Counting(), "TRL": Counting()}
    clock: Any = ToldClock([1, 10, 9, 10, 2, 10, 4, 10, 4, 10, 7, 10])
    batches = [np.array([0, 1]), np.array([2, 3])]
    columns: Any = None
    monkeypatch.setattr(steps, "give_back", lambda: None)  # nothing was taken
    seconds = over_batches(sides, columns, batches, clock, turns=3)
    assert seconds == {SUMMPO: 3.0, "TRL": 10.0}
    assert sides[SUMMPO].steps == sides["TRL"].steps == [[0], *[[0, 1]] * 3, *[[2, 3]] * 3]
    (row,) = compared("step", seconds, clock, {"TRL": "3x"})
    assert (row.theirs, row.ours, row.ratio, row.goal) == ("10.000 CPU s", "3.000 CPU s", "3.33x", "3x")


@pytest.mark.parametrize(
    ("batches", "turns", "words"),
    [
        (3, 3, "mean of 3 batches, each the median of 3 turns"),
        (1, 3, "1 batch, each the median of 3 turns"),
        (2, 1, "mean of 2 batches, each measured once"),
    ],
)
def test_what_was_measured_is_said(batches: int, turns: int, words: str) -> None:
    assert mean_of(batches, turns) == words


def test_tokens_of_a_batch() -> None:
    """Two pairs of 5 + 2 tokens: padded 2 * 2 * 7 = 28, with each prompt once 2 * (5 + 2 + 2) = 18."""
    rows = random_columns(Shape(5, 2, 2), vocabulary=300).rows
    assert padded_tokens(rows, np.arange(2)) == 28
    assert shared_tokens(rows, np.arange(2)) == 18
