"""A few pairs, and their completions scored by padded rows."""

from __future__ import annotations

from functools import partial

from torch import nn

from summpo.models.forward.layouts import pad
from summpo.models.forward.scoring import score_completions
from summpo.records import Ragged, TokenRows
from summpo.text.rows import PairRow
from summpo.text.tokens import Limits

LIMITS = Limits(max_length=400)
ROWS = [
    PairRow("a", "A text about cats.", "The cat sat.", "The dog sat on the cat, and the cat sat on the mat."),
    PairRow("b", "Another text, a longer one, about dogs and papers.", "We summarise papers 😀.", "No."),
    PairRow("same", "A text about cats.", "twice", "twice"),
    PairRow("c", "x", "method " * 20, "{}"),
    PairRow("d", "", "A cat.", "A dog.", prompt="Say: "),
]


def scored(model: nn.Module, rows: TokenRows, batch_size: int = 4) -> tuple[Ragged, ...]:
    """In float32."""
    return score_completions(
        model, rows, batch_size=batch_size, layout=partial(pad, pad_id=1), autocast=None, progress=False
    )
