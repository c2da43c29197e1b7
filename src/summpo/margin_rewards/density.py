"""Density: how long the runs are that a summary copies from its document."""

from __future__ import annotations

from dataclasses import dataclass

from summpo.margin_rewards import Completions
from summpo.text.fragments import density


@dataclass(frozen=True)
class Density:
    """Mean length of the extractive fragment around a word (1804.11283 eq. 2); a negative weight rewards rewording."""

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's density."""
        return [density(*both) for both in zip(completions.documents, completions.texts, strict=True)]
