"""What each completion token counts in the score of its sequence, where it is not 1. Pure functions of lengths.

`sequence` is chosen_0 .. chosen_n, rejected_0 .. rejected_n, as in every batch of pairs.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def shared_lengths(lengths: Int[Tensor, " sequence"]) -> Int[Tensor, " sequence"]:
    """The shorter length of each pair, for both of its completions."""
    chosen, rejected = lengths.chunk(2)
    return torch.minimum(chosen, rejected).repeat(2)


def positions(lengths: Int[Tensor, " sequence"]) -> Int[Tensor, " token"]:
    """Where each token stands in its completion, from 0."""
    starts = lengths.cumsum(0) - lengths
    total = int(lengths.sum())
    return torch.arange(total, device=lengths.device) - torch.repeat_interleave(starts, lengths)


def beyond_shared(lengths: Int[Tensor, " sequence"], alpha: float) -> Float[Tensor, " token"]:
    """1 for the first min(Lw, Ll) tokens of each completion, alpha for the rest. LD-DPO, 2409.06411."""
    shared = torch.repeat_interleave(shared_lengths(lengths), lengths)
    return torch.where(positions(lengths) < shared, 1.0, alpha)


def down_sampled(lengths: Int[Tensor, " sequence"], seeds: Int[np.ndarray, " pair"]) -> Float[Tensor, " token"]:
    """1 for min(Lw, Ll) tokens of each completion, drawn without replacement, 0 for the rest.

    All tokens of the shorter completion count; the draw hangs on the pair's seed and lengths alone. SamPO, 2406.10957.
    """
    chosen, rejected = lengths.cpu().numpy().reshape(2, -1)
    sides: tuple[list[np.ndarray], ...] = ([], [])
    for counts in zip(chosen, rejected, seeds, strict=True):
        for side, length in zip(sides, counts[:2], strict=True):
            weights = np.zeros(length, np.float32)
            weights[np.random.default_rng(counts[2]).permutation(length)[: min(counts[:2])]] = 1
            side.append(weights)
    return torch.from_numpy(np.concatenate([*sides[0], *sides[1]])).to(lengths.device)
