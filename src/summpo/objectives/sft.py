"""Supervised fine-tuning: imitate the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from summpo.records import LogProbs


@dataclass(frozen=True)
class SFT:
    """- mean over completion tokens of log pi. The prompt is read and not learnt."""

    learns_from: ClassVar[str] = "completions"

    def token_loss(self, policy: LogProbs) -> Tensor:
        """Float [token]: -log pi of each completion token."""
        from summpo.objectives.losses import negative_log_likelihood

        return negative_log_likelihood(policy.tokens)
