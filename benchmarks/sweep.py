"""Five values of w on 1,000 pairs each, against five runs of TRL at its defaults: tokens, reference and steps.

Both in the same precision, each time the median of turns that they take one after the other. The tokens are those of
all 1,000 pairs; steps and reference are told from fewer. summpo makes tokens and the reference's log-probs once for all
five, and TRL in each run. Loading, validation and saving are in neither.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np

from clock import Clock, medians, take_turns
from pairs import comparisons, planned_batches, take, with_short_prompts
from setting import Setting
from sides import DEFAULTS, SUMMPO, make_sides
from steps import mean_of, over_batches
from table import Row, times
from tokenisation import as_columns, trl_tokens

POINTS, PAIRS = 5, 1_000


def rows(folder: Path, setting: Setting, longest_prompt: int, pairs: int, batch_size: int, turns: int) -> list[Row]:
    """One row: the whole sweep's seconds."""
    tokenizer, clock = setting.base.tokenizer(), Clock(setting.device)
    short, tokens = with_short_prompts(comparisons(folder), tokenizer, longest_prompt)
    texts = short[:PAIRS]
    works = {
        DEFAULTS: lambda: trl_tokens(as_columns(texts), tokenizer),
        SUMMPO: lambda: with_short_prompts(texts, tokenizer, longest_prompt),
    }
    made = medians(take_turns(works, Clock("cpu"), turns))
    ours, sides = make_sides([DEFAULTS], setting)  # after TRL's tokens: its config resets accelerate's state
    order = planned_batches(tokens, batch_size, max(1, pairs // batch_size), "shuffled")
    tokens = take(tokens, np.concatenate(order))
    columns = ours.with_reference(tokens)
    scoring = median(clock.seconds(lambda: ours.with_reference(tokens)) for _ in range(turns))
    batches = np.split(np.arange(len(tokens)), len(order))
    step = over_batches(sides, columns, batches, clock, turns)
    steps, made_of = PAIRS / batch_size, PAIRS / len(texts)
    our_sum = made_of * made[SUMMPO] + PAIRS / len(tokens) * scoring + POINTS * steps * step[SUMMPO]
    their_sum = POINTS * (made_of * made[DEFAULTS] + steps * step[DEFAULTS])
    told_from = f"told from {len(tokens)} pairs with prompts of at most {longest_prompt} tokens"
    what = (
        f"{POINTS} values of w, {PAIRS:,} real comparisons each, batch {batch_size}, {setting.precision}, {told_from}"
    )
    row = Row(
        f"{what} ({mean_of(len(order), turns)})",
        f"{POINTS} runs of {DEFAULTS}, {setting.precision}",
        f"{their_sum:.0f} {clock.unit}",
        f"{our_sum:.0f} {clock.unit}",
        times(their_sum / our_sum),
        "4x",
    )
    return [row]
