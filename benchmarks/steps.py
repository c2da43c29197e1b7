"""Seconds of an optimizer step: fixed lengths, and real comparisons in shuffled order and grouped by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from clock import Clock, medians, take_turns
from memory import available, give_back
from pairs import Shape, comparisons, planned_batches, random_pairs, take, with_short_prompts
from sides import BEST, COMPACT, DEFAULTS, SUMMPO, Setting, Side, assert_equal, make_sides, with_reference
from summpo.models.loading import load_tokenizer
from summpo.records import FrozenColumns, TokenRows
from table import Row, times

GOALS_350 = {BEST: "2.6x", COMPACT: "1.7x"}
GOALS_1500 = {BEST: "2.3x", COMPACT: "1.65x"}
GOALS_BF16 = {DEFAULTS: "4.5x"}
GOALS_REAL = {BEST: "3.5x", COMPACT: "2.4x"}
GOALS_GROUPED = {COMPACT: "4x"}
BYTES_A_TOKEN = {BEST: 2.3 * 2**20, COMPACT: 1.1 * 2**20}
"""Of a padded batch of SmolLM2-135M in float32, as measured; there is little to spare."""
BYTES_OF_MODELS = 3 * 2**30
"""Of the models and optimizers of all sides, and of what one of them leaves behind."""


def fixed_shape(
    what: str, shape: Shape, setting: Setting, goals: Mapping[str, str], others: Sequence[str], repeats: int
) -> list[Row]:
    """A row for each other side."""
    sides = make_sides([SUMMPO, *others], setting)
    rows = random_pairs(shape, vocabulary=49_000)
    columns, every = with_reference(sides[SUMMPO], rows), np.arange(len(rows))
    if setting.autocast is None:
        print(f"{what}: {assert_equal(sides, columns, every)}")
    clock = Clock(setting.device)
    batches = {name: side.batch(columns, every) for name, side in sides.items()}
    works = {name: lambda s=side, b=batches[name]: s.step(b) for name, side in sides.items()}
    seconds = medians(take_turns(works, clock, repeats))
    return compared(f"step, {what}", seconds, clock, goals)


def real(folder: Path, setting: Setting, longest_prompt: int, batch_size: int, count: int, grouped: bool) -> list[Row]:
    """A row for each other side, over `count` batches of human comparisons."""
    others = head_variants(setting.device)[-1 if grouped else 0 :]
    _, rows = with_short_prompts(comparisons(folder), load_tokenizer(setting.model), longest_prompt)
    drawn = planned_batches(rows, batch_size, count, "by_prompt" if grouped else "shuffled")
    longest = max(padded_tokens(rows, batch) for batch in drawn)
    rows = take(rows, np.concatenate(drawn))
    others = [name for name in others if has_room(name, longest, setting.device)]
    sides = make_sides([SUMMPO, *others], setting)
    columns = with_reference(sides[SUMMPO], rows)
    batches = np.split(np.arange(len(rows)), len(drawn))
    if setting.autocast is None:
        print(f"real comparisons: {assert_equal(sides, columns, batches[0][:2])}")
    clock = Clock(setting.device)
    seconds = over_batches(sides, columns, batches, clock)
    order = "grouped by prompt" if grouped else "shuffled"
    means = f"prompts of at most {longest_prompt}, mean of {len(drawn)} batches ({sizes(columns, batches)})"
    what = f"step, real comparisons {order}, batch {batch_size}, {means}"
    return compared(what, seconds, clock, GOALS_GROUPED if grouped else GOALS_REAL)


def has_room(name: str, tokens: int, device: str) -> bool:
    """Whether TRL's step on so many padded tokens fits this machine's memory; says so where it does not."""
    needed, there = tokens * BYTES_A_TOKEN[name] + BYTES_OF_MODELS, available()
    if device == "cuda" or needed < there:
        return True
    print(f"{name} is left out: {tokens:,} tokens need {needed / 2**30:.0f} GiB, and {there / 2**30:.0f} are free")
    return False


def over_batches(
    sides: Mapping[str, Side], columns: FrozenColumns, batches: Sequence[np.ndarray], clock: Clock
) -> dict[str, float]:
    """Mean seconds of a step; the sides take turns batch by batch, after an uncounted step on the first pair."""
    for side in sides.values():
        side.step(side.batch(columns, batches[0][:1]))
    totals = dict.fromkeys(sides, 0.0)
    for rows in batches:
        for name, side in sides.items():
            give_back()
            batch = side.batch(columns, rows)
            totals[name] += clock.seconds(lambda side=side, batch=batch: side.step(batch))
    return {name: total / len(batches) for name, total in totals.items()}


def sizes(columns: FrozenColumns, batches: Sequence[np.ndarray]) -> str:
    """How many tokens a batch has, padded and with what it repeats once."""
    padded = shared = 0
    for rows in batches:
        padded += padded_tokens(columns.rows, rows)
        shared += shared_tokens(columns.rows, rows)
    return f"{padded // len(batches):,} tokens padded, {shared // len(batches):,} shared"


def padded_tokens(rows: TokenRows, which: np.ndarray) -> int:
    """Tokens of the rows as two padded sequences each."""
    longest = max(int((rows.prompts.lengths + side.lengths)[which].max()) for side in rows.completions)
    return len(rows.completions) * len(which) * longest


def shared_tokens(rows: TokenRows, which: np.ndarray) -> int:
    """Tokens of the rows, each prompt once and each completion of a prompt once."""
    prompts = {rows.prompts[i].tobytes(): len(rows.prompts[i]) for i in which}
    completions = {
        (rows.prompts[i].tobytes(), side[i].tobytes()): len(side[i]) for side in rows.completions for i in which
    }
    return sum(prompts.values()) + sum(completions.values())


def compared(what: str, seconds: Mapping[str, float], clock: Clock, goals: Mapping[str, str]) -> list[Row]:
    """summpo's seconds beside each other's."""
    ours, unit = seconds[SUMMPO], clock.unit
    return [
        Row(what, name, f"{value:.3f} {unit}", f"{ours:.3f} {unit}", times(value / ours), goals.get(name, ""))
        for name, value in seconds.items()
        if name != SUMMPO
    ]


def head_variants(device: str) -> list[str]:
    """TRL without checkpointing: on CUDA its best setting is compact by itself."""
    return [BEST] if device == "cuda" else [BEST, COMPACT]


def bfloat16(setting: Setting) -> Setting:
    """The same under autocast."""
    return Setting(setting.model, setting.device, torch.bfloat16)
