"""What each completion token counts in the score of its sequence, where it is not 1. Pure functions of lengths.

`sequence` is chosen_0 .. chosen_n, rejected_0 .. rejected_n, as in every batch of pairs.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from summpo.records import sent


def shared_lengths(lengths: Int[Tensor, " sequence"]) -> Int[Tensor, " sequence"]:
    """The shorter length of each pair, for both of its completions."""
    chosen, rejected = lengths.chunk(2)
    return torch.minimum(chosen, rejected).repeat(2)


def positions(lengths: Int[Tensor, " sequence"], total: int) -> Int[Tensor, " token"]:
    """Where each token stands in its completion, from 0.

    Args:
        total: the sum of the lengths; the host knows it, and need not wait for a device to tell.
    """
    starts = lengths.cumsum(0) - lengths
    return torch.arange(total, device=lengths.device) - starts.repeat_interleave(lengths, output_size=total)


def beyond_shared(lengths: Int[Tensor, " sequence"], alpha: float, total: int) -> Float[Tensor, " token"]:
    """1 for the first min(Lw, Ll) tokens of each completion, alpha for the rest. LD-DPO, 2409.06411.

    Args:
        total: as `positions`'.
    """
    shared = shared_lengths(lengths).repeat_interleave(lengths, output_size=total)
    return torch.where(positions(lengths, total) < shared, 1.0, alpha)


def down_sampled(
    counts: Int[np.ndarray, " sequence"], seeds: Int[np.ndarray, " pair"], device: torch.device
) -> Float[Tensor, " token"]:
    """1 for min(Lw, Ll) tokens of each completion, drawn without replacement, 0 for the rest; on a device.

    All tokens of the shorter completion count; the draw hangs on the pair's seed and lengths alone. SamPO, 2406.10957.
    """
    chosen, rejected = counts.reshape(2, -1)
    sides: tuple[list[np.ndarray], ...] = ([], [])
    for lengths in zip(chosen, rejected, seeds, strict=True):
        for side, length in zip(sides, lengths[:2], strict=True):
            weights = np.zeros(length, np.float32)
            weights[np.random.default_rng(lengths[2]).permutation(length)[: min(lengths[:2])]] = 1
            side.append(weights)
    return sent([torch.from_numpy(np.concatenate([*sides[0], *sides[1]]))], device)[0]
