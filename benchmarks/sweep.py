"""Five values of w on 1,000 pairs each, against five runs of TRL at its defaults: tokens, reference and steps.

Told from fewer pairs, of which one run of each side is measured, batch by batch in turn. summpo makes tokens and the
reference's log-probs once for all five, and TRL in each run. Loading, validation and saving are in neither.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clock import Clock
from pairs import comparisons, planned_batches, take, with_short_prompts
from sides import DEFAULTS, SUMMPO, Setting, make_sides, with_reference
from steps import over_batches
from summpo.models.loading import load_tokenizer
from summpo.records import FrozenColumns
from table import Row, times
from tokenisation import as_columns, trl_tokens

POINTS, PAIRS = 5, 1_000


def rows(folder: Path, setting: Setting, longest_prompt: int, pairs: int, batch_size: int) -> list[Row]:
    """One row: the whole sweep's seconds."""
    tokenizer, clock, cpu = load_tokenizer(setting.model), Clock(setting.device), Clock("cpu")
    short, tokens = with_short_prompts(comparisons(folder), tokenizer, longest_prompt)
    order = planned_batches(tokens, batch_size, pairs // batch_size, "shuffled")
    chosen = np.concatenate(order)
    tokens, texts = take(tokens, chosen), [short[i] for i in chosen]
    their_tokens = cpu.seconds(lambda: trl_tokens(as_columns(texts), tokenizer))
    our_tokens = cpu.seconds(lambda: with_short_prompts(texts, tokenizer, longest_prompt))
    sides = make_sides([SUMMPO, DEFAULTS], setting)  # after TRL's tokens: its config resets accelerate's state
    found: dict[str, FrozenColumns] = {}
    scoring = clock.seconds(lambda: found.update(columns=with_reference(sides[SUMMPO], tokens)))
    batches = np.split(np.arange(len(tokens)), len(order))
    step = over_batches(sides, found["columns"], batches, clock)
    scale = PAIRS / len(tokens)
    ours = scale * (our_tokens + scoring + POINTS * len(batches) * step[SUMMPO])
    theirs = scale * POINTS * (their_tokens + len(batches) * step[DEFAULTS])
    told_from = f"told from {len(tokens)} pairs with prompts of at most {longest_prompt} tokens"
    what = f"{POINTS} values of w, {PAIRS:,} real comparisons each, batch {batch_size}, {told_from}"
    against = f"{POINTS} runs of {DEFAULTS}"
    return [Row(what, against, f"{theirs:.0f} {clock.unit}", f"{ours:.0f} {clock.unit}", times(theirs / ours), "4x")]
