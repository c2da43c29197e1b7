"""What the choice of documents leaves uncertain: bootstrap intervals of means, permutation tests of differences.

Pure functions of numbers, one row a document; knows no metric and no run.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from jaxtyping import Float

ENOUGH_DOCUMENTS = 30


def documents_in_words(count: int) -> str:
    """ "1 document" or "4 documents"."""
    return "1 document" if count == 1 else f"{count} documents"


def few_documents(count: int) -> list[str]:
    """What to know before trusting an interval over so few documents; nothing where they are enough."""
    if count >= ENOUGH_DOCUMENTS:
        return []
    return [f"Only {documents_in_words(count)}: intervals from so few are too narrow, read them as hints."]


def mean_intervals(
    values: Float[np.ndarray, "document metric"], seed: int = 0, resamples: int = 1000
) -> list[tuple[float, float]]:
    """The 95% percentile bootstrap interval of each column's mean, over documents drawn again.

    All columns are drawn together: one call's intervals are of the same draws. Of differences between two models on the
    same documents the interval is paired: what makes a document easier for both cancels.
    """
    generator = np.random.default_rng(seed)
    count = len(values)
    # One resample at a time: all at once would take resamples * documents * metrics numbers of memory.
    means = np.stack([values[generator.integers(0, count, count)].mean(axis=0) for _ in range(resamples)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def sign_flip_p_values(
    differences: Float[np.ndarray, "document metric"], seed: int = 0, permutations: int = 9999
) -> list[float]:
    """How often chance alone makes a mean difference as large as each column's, in either direction: its p-value.

    The paired permutation test (Fisher's): were the two models equal, each document's difference would as well have the
    other sign. The share of all ways to set the signs whose mean is as far from 0, where there are no more than
    `permutations` + 1 of them; else of `permutations` drawn at random, with the one observed counted among them
    (Phipson and Smyth 2010), so that it is never 0.
    """
    count = len(differences)
    is_exact = count < 63 and 2**count <= permutations + 1
    scale = np.abs(differences).mean(axis=0)
    observed = np.abs(differences.mean(axis=0)) - 1e-12 * scale  # so that a sum in another order is as far
    found = np.zeros(differences.shape[1])
    for signs in _all_signs(count) if is_exact else _some_signs(count, seed, permutations):
        found += (np.abs(signs @ differences / count) >= observed).sum(axis=0)
    return (found / 2**count if is_exact else (found + 1) / (permutations + 1)).tolist()


def _all_signs(count: int):
    """Every way to set the signs, float64 [way, document], in one piece: there are few."""
    yield np.array(list(product((1.0, -1.0), repeat=count))).reshape(-1, count)


def _some_signs(count: int, seed: int, permutations: int):
    """Random ways to set the signs, float64 [way, document], in pieces."""
    generator = np.random.default_rng(seed)
    for first in range(0, permutations, 1000):
        yield generator.integers(0, 2, (min(1000, permutations - first), count)) * 2.0 - 1.0
