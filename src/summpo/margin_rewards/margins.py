"""From the margin rewards of completions to the margins of pairs: normalised, scaled, clipped. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from summpo.config.record import node_of
from summpo.errors import require, require_choice, require_number
from summpo.margin_rewards import MarginReward

NORMALIZE = ("none", "z_score")
SCALING = ("weight", "normalize", "scale", "clip")
"""What is said of a margin reward beside its own settings."""
LARGEST_WEIGHT = 1e6
"""Beyond any use: nats a unit. float32 holds products with it."""


@dataclass(frozen=True)
class WeightedMargin:
    """A margin reward, how it is scaled, and what a unit of the result is worth.

    Raises:
        FieldError: a value out of range.
    """

    reward: MarginReward
    weight: float | None = None
    """How many nats of preference a unit is worth; any number; null for the run's w."""
    normalize: str = "none"
    """none, or z_score: in standard deviations of the training pairs' differences, so that several rewards compare."""
    scale: float = 1.0
    """A factor on the difference, after normalize."""
    clip: float | None = None
    """Limit of the difference, after normalize and scale: [-clip, clip]; null for none."""

    def __post_init__(self) -> None:
        if self.weight is not None:
            require_weight("weight", self.weight)
        require_choice("normalize", self.normalize, NORMALIZE)
        require_number("scale", self.scale)
        if self.clip is not None:
            require_number("clip", self.clip, above=0)

    def weight_at(self, w: float) -> float:
        """Its own weight, or w."""
        return w if self.weight is None else self.weight

    @property
    def record(self) -> dict[str, Any]:
        """The reward's settings and the scaling's as plain data, one beside the other as in a configuration."""
        return node_of(self.reward, with_target=True) | {name: getattr(self, name) for name in SCALING}


def require_weight(key: str, value: float) -> None:
    """Guards a weight, in nats a unit: a number within `LARGEST_WEIGHT`."""
    require_number(key, value)
    if abs(value) > LARGEST_WEIGHT:
        require_number(key, value, low=-LARGEST_WEIGHT, high=LARGEST_WEIGHT)


def spread(rewards: np.ndarray) -> float:
    """The root mean square of a margin reward's differences, from its values [pair, 2]; 0 where there is no pair.

    Which of a pair is the chosen one does not change it: it is the standard deviation of the differences of every pair
    and its swap, whose mean is 0. What differs between documents and not within a pair plays no part.
    """
    found = np.diff(np.asarray(rewards, np.float64), axis=1)
    return float(np.sqrt(np.mean(found**2))) if len(found) else 0.0


def differences(rewards: np.ndarray, margin: WeightedMargin, spread: float) -> np.ndarray:
    """float32 [pair]: chosen minus rejected of a margin reward, [pair, 2], scaled and clipped.

    No mean is taken off a z-score: a pair and its swap have margins of opposite sign.
    """
    found = (rewards[:, 0] - rewards[:, 1]).astype(np.float64)
    if margin.normalize == "z_score":
        found = found / spread
    found = found * margin.scale
    return (found if margin.clip is None else found.clip(-margin.clip, margin.clip)).astype(np.float32)


def reward_differences(
    rewards: Mapping[str, np.ndarray], margins: Mapping[str, WeightedMargin], spreads: Mapping[str, float]
) -> np.ndarray:
    """float32 [pair, reward]: the scaled differences of every margin reward, not yet weighed.

    Args:
        spreads: the `spread` of each reward over the training pairs.

    Raises:
        UserError: a reward that is to be normalised is the same for both completions of every training pair.
    """
    for name, margin in margins.items():
        require(
            margin.normalize == "none" or spreads[name] > 0,
            f"margin_reward={name} is the same for both completions of every training pair and has no z-score "
            f"(config key margin_reward.{name}.normalize)",
        )
    columns = [differences(rewards[name], margin, spreads[name]) for name, margin in margins.items()]
    pairs = len(next(iter(rewards.values()), ()))
    return np.stack(columns, axis=1) if columns else np.zeros((pairs, 0), np.float32)
