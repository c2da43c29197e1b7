"""What tokens count: worked by hand, and what holds for all lengths."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.objectives.token_weights import beyond_shared, down_sampled, positions, shared_lengths

pairs_of_lengths = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6)


def lengths_of(pairs: list[tuple[int, int]]) -> torch.Tensor:
    """[sequence]: the chosen ones, then the rejected ones."""
    return torch.tensor([chosen for chosen, _ in pairs] + [rejected for _, rejected in pairs])


def drawn(lengths: torch.Tensor, seeds: np.ndarray) -> torch.Tensor:
    return down_sampled(lengths.numpy(), seeds, lengths.device)


def test_by_hand() -> None:
    """Pairs of (2, 4) and (3, 1) tokens: sequences of 2, 3, 4, 1. The shared lengths are 2 and 1."""
    lengths = lengths_of([(2, 4), (3, 1)])
    assert shared_lengths(lengths).tolist() == [2, 1, 2, 1]
    assert positions(lengths, 10).tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 3, 0]
    assert beyond_shared(lengths, 0.25, 10).tolist() == [1, 1, 1, 0.25, 0.25, 1, 1, 0.25, 0.25, 1]


@given(pairs_of_lengths, st.integers(0, 1000))
def test_a_draw_takes_the_shared_length_of_each_completion(pairs: list[tuple[int, int]], seed: int) -> None:
    lengths = lengths_of(pairs)
    weights = drawn(lengths, np.arange(len(pairs)) + seed)
    assert set(weights.tolist()) <= {0.0, 1.0}
    taken = [side.sum().item() for side in weights.split(lengths.tolist())]
    assert taken == shared_lengths(lengths).tolist()


@given(pairs_of_lengths, st.integers(0, 1000))
def test_a_draw_does_not_depend_on_neighbours(pairs: list[tuple[int, int]], seed: int) -> None:
    seeds = np.arange(len(pairs)) + seed
    lengths = lengths_of(pairs)
    together = drawn(lengths, seeds).split(lengths.tolist())
    for i, pair in enumerate(pairs):
        alone = drawn(torch.tensor(pair), seeds[i : i + 1]).split(list(pair))
        assert torch.equal(alone[0], together[i]) and torch.equal(alone[1], together[len(pairs) + i])


def test_every_token_of_the_longer_is_drawn_as_often() -> None:
    """3 of 10, 4,000 times: each token 1,200 times, give or take 29 (one standard deviation); 5 of them are allowed."""
    draws = 4000
    lengths = torch.tensor([3] * draws + [10] * draws)
    counts = drawn(lengths, np.arange(draws))[3 * draws :].reshape(draws, 10).sum(0)
    assert (counts - 1200).abs().max() < 145


def test_another_seed_draws_others() -> None:
    lengths = torch.tensor([5, 40])
    assert not torch.equal(drawn(lengths, np.array([1])), drawn(lengths, np.array([2])))
