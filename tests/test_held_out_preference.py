"""Preference accuracy by how much longer the chosen completion is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from summpo.held_out_preference import by_length_difference


def test_by_hand() -> None:
    """-21 | -20, -6 | -5, 0, 5 | 6 and nothing above 20: a bucket begins at its bound and ends before the next."""
    differences = np.array([-21, -20, -6, -5, 0, 5, 6])
    right = np.array([[1, 0], [0, 0], [1, 1], [1, 1], [0.5, 1], [0, 1], [1, 0]], float)
    assert by_length_difference(differences, right) == [
        {"low": None, "high": -20, "pairs": 1, "accuracy": 1, "accuracy_with_margin": 0},
        {"low": -20, "high": -5, "pairs": 2, "accuracy": 0.5, "accuracy_with_margin": 0.5},
        {"low": -5, "high": 6, "pairs": 3, "accuracy": 0.5, "accuracy_with_margin": 1},
        {"low": 6, "high": 21, "pairs": 1, "accuracy": 1, "accuracy_with_margin": 0},
        {"low": 21, "high": None, "pairs": 0, "accuracy": None, "accuracy_with_margin": None},
    ]


@given(st.lists(st.integers(-200, 200), min_size=1, max_size=40))
def test_every_pair_is_in_one_bucket(differences: list[int]) -> None:
    """Their mean, weighed by pairs, is the accuracy over all."""
    right = np.stack([np.arange(len(differences)) % 2, np.arange(len(differences)) % 3 / 2], 1)
    buckets = by_length_difference(np.array(differences), right)
    assert sum(bucket["pairs"] for bucket in buckets) == len(differences)
    total = sum(bucket["pairs"] * bucket["accuracy"] for bucket in buckets if bucket["pairs"])
    assert np.isclose(total, right[:, 0].sum())
