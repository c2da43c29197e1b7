"""What fits: the rows over a limit on their length, and what each rule makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from summpo.inspection.statistics import quantiles
from summpo.text.prompts import Prompt
from summpo.text.rows import PairRow
from summpo.text.tokens import Limits, Tokenized, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNLIMITED = Limits(max_length=2**31 - 1, too_long="drop", empty="drop", identical="drop")
"""Limits under which every row that can be used is a token row in its full length."""
BY_LENGTH = ("truncated_document", "dropped_too_long", "dropped_no_room_for_document")
"""What Tokenized.counts says of rows over max_length."""


@dataclass(frozen=True)
class Fit:
    """What becomes of a split's rows under a limit on their length, by each rule for those over it."""

    rows: int
    max_length: int
    too_long: str
    """The rule that is set: drop, truncate_document or error."""
    unusable: dict[str, int]
    """Rows that no limit saves, by reason: an empty completion or prompt, two equal completions."""
    over: int
    """Usable rows of more than max_length tokens: prompt and longer completion, EOS counted."""
    cut: int
    """Those of `over` that truncate_document would cut; it drops the others, whose completions leave no room."""
    total: dict[str, float]
    """Quantiles of the length of the usable rows: prompt and longer completion, in tokens, EOS counted."""

    @property
    def rules(self) -> dict[str, dict[str, int]]:
        """Rows kept, cut (among the kept) and dropped for their length by the rules that go on; `error` stops."""
        usable = self.rows - sum(self.unusable.values())
        no_room = self.over - self.cut
        return {
            "drop": {"kept": usable - self.over, "cut": 0, "dropped": self.over},
            "truncate_document": {"kept": usable - no_room, "cut": self.cut, "dropped": no_room},
        }


def fit_at(
    rows: Sequence[PairRow], full: Tokenized, limits: Limits, prompt: Prompt, tokenizer: PreTrainedTokenizerBase
) -> Fit:
    """What each rule makes of the rows at this max_length.

    Args:
        full: the rows' tokens under `UNLIMITED`.
    """
    longest = np.max([side.lengths for side in full.rows.completions], axis=0) if len(full.rows) else np.zeros(0, int)
    total = full.rows.prompts.lengths + longest
    over = [rows[index] for index in full.kept[total > limits.max_length]]
    lenient = replace(UNLIMITED, max_length=limits.max_length, too_long="truncate_document")
    return Fit(
        rows=len(rows),
        max_length=limits.max_length,
        too_long=limits.too_long,
        unusable={name.removeprefix("dropped_"): n for name, n in full.counts.items() if name != "kept"},
        over=len(over),
        cut=tokenize(over, tokenizer, prompt, lenient).counts.get("truncated_document", 0),
        total=quantiles(total),
    )
