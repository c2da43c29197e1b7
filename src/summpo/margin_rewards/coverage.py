"""Coverage: how much of a summary is said in the words of its document."""

from __future__ import annotations

from dataclasses import dataclass

from summpo.margin_rewards import Completions
from summpo.text.fragments import coverage


@dataclass(frozen=True)
class Coverage:
    """Share of the summary's words in extractive fragments, 0 to 1 (1804.11283 eq. 1); a guard of faithfulness."""

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's coverage."""
        return [coverage(*both) for both in zip(completions.documents, completions.texts, strict=True)]
