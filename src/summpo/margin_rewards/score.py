"""The scores that came with the data: a judge's or an annotator's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from summpo.errors import UserError, require_choice
from summpo.margin_rewards import Completions


@dataclass(frozen=True)
class Score:
    """The columns score_chosen and score_rejected, whose difference is the margin; or its logarithm, as in ODPO.

    ODPO (2402.10571) is objective=dpo with form=log and weight a: -log sigmoid(beta D - a log(score_w - score_l)).
    """

    form: str = "difference"
    """difference, or log: log(score_chosen - score_rejected) of a pair."""

    needs: ClassVar[tuple[str, ...]] = ("score_chosen", "score_rejected")

    def __post_init__(self) -> None:
        require_choice("form", self.form, ("difference", "log"))

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's score; for form=log the pair's margin on the chosen and 0 on the rejected completion.

        Raises:
            MissingColumn: a completion has no score.
            UserError: form=log, and a chosen completion scores no more than the rejected.
        """
        scores = completions.needed_scores("score")
        if self.form == "difference":
            return scores
        rewards = []
        for pair, (chosen, rejected) in enumerate(zip(scores[::2], scores[1::2], strict=True)):
            if chosen <= rejected:
                row = completions.ids[2 * pair] if completions.ids else pair
                raise UserError(
                    f"row {row}: the chosen completion scores {chosen:g}, the rejected {rejected:g}, and "
                    "margin_reward.score.form=log needs the chosen ahead (drop such rows, or take form=difference)"
                )
            rewards += [math.log(chosen - rejected), 0.0]
        return rewards

    def check_columns(self, completions: Completions) -> None:
        """Every completion has a score; for form=log the chosen one the higher."""
        self.rewards(completions)
