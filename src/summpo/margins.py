"""From the margin rewards of completions to the margins of pairs: normalised, scaled, clipped. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from summpo.errors import require
from summpo.margin_rewards import MarginReward

NORMALIZE = ("none", "z_score")


@dataclass(frozen=True)
class WeightedMargin:
    """A margin reward, how it is scaled, and what a unit of the result is worth."""

    reward: MarginReward
    weight: float
    """Nats a unit."""
    normalize: str = "none"
    """none, or z_score: in standard deviations over the training completions."""
    scale: float = 1.0
    """A factor after that."""
    clip: float | None = None
    """The difference of a pair is cut to [-clip, clip], after both."""


def spread(rewards: np.ndarray) -> float:
    """The standard deviation of a margin reward, [pair, 2], over all completions."""
    return float(np.asarray(rewards, np.float64).std())


def differences(rewards: np.ndarray, margin: WeightedMargin, spread: float) -> np.ndarray:
    """float32 [pair]: chosen minus rejected of a margin reward, [pair, 2], scaled and clipped.

    The mean that a z-score takes off cancels in the difference: a pair and its swap have margins of opposite sign.
    """
    found = (rewards[:, 0] - rewards[:, 1]).astype(np.float64)
    if margin.normalize == "z_score":
        found = found / spread
    found = found * margin.scale
    return (found if margin.clip is None else found.clip(-margin.clip, margin.clip)).astype(np.float32)


def margin_table(
    rewards: Mapping[str, np.ndarray], margins: Mapping[str, WeightedMargin], spreads: Mapping[str, float]
) -> np.ndarray:
    """float32 [pair, reward]: the scaled differences of every margin reward, not yet weighed.

    Args:
        spreads: the standard deviation of each reward over the training completions.

    Raises:
        UserError: a reward that is to be normalised is the same for all training completions.
    """
    for name, margin in margins.items():
        require(
            margin.normalize == "none" or spreads[name] > 0,
            f"margin_reward={name} is the same for all training completions and has no z-score "
            f"(config key margin_reward.{name}.normalize)",
        )
    columns = [differences(rewards[name], margin, spreads[name]) for name, margin in margins.items()]
    pairs = len(next(iter(rewards.values()), ()))
    return np.stack(columns, axis=1) if columns else np.zeros((pairs, 0), np.float32)
