"""Seconds of an optimizer step: fixed lengths, and real comparisons in shuffled order and grouped by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clock import Clock, medians, take_turns
from pairs import (
    Shape,
    comparisons,
    padded_tokens,
    planned_batches,
    random_pairs,
    shared_tokens,
    take,
    with_short_prompts,
)
from process_memory import available, give_back
from setting import Setting
from sides import BEST, COMPACT, DEFAULTS, SUMMPO, Side, assert_equal, make_sides
from summpo.records import FrozenColumns
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
    shape: Shape, setting: Setting, goals: Mapping[str, str], others: Sequence[str], repeats: int
) -> list[Row]:
    """A row for each other side: the median of `repeats` turns."""
    ours, sides = make_sides(others, setting)
    columns, every = ours.with_reference(random_pairs(shape, setting.base.vocabulary)), np.arange(shape.pairs)
    what = f"step, {shape}, {setting.precision}"
    if setting.autocast is None:
        print(f"{what}: {assert_equal(sides, columns, every)}")
    clock = Clock(setting.device)
    batches = {name: side.batch(columns, every) for name, side in sides.items()}
    works = {name: lambda s=side, b=batches[name]: s.step(b) for name, side in sides.items()}
    return compared(what, medians(take_turns(works, clock, repeats)), clock, goals)


def real(
    folder: Path, setting: Setting, longest_prompt: int, batch_size: int, count: int, turns: int, grouped: bool
) -> list[Row]:
    """A row for each other side, over `count` batches of human comparisons."""
    others = head_variants(setting.device)[-1 if grouped else 0 :]
    _, rows = with_short_prompts(comparisons(folder), setting.base.tokenizer(), longest_prompt)
    drawn = planned_batches(rows, batch_size, count, "by_prompt" if grouped else "shuffled")
    longest = max(padded_tokens(rows, batch) for batch in drawn)
    rows = take(rows, np.concatenate(drawn))
    others = [name for name in others if has_room(name, longest, setting.device)]
    ours, sides = make_sides(others, setting)
    columns = ours.with_reference(rows)
    batches = np.split(np.arange(len(rows)), len(drawn))
    if setting.autocast is None:
        print(f"real comparisons: {assert_equal(sides, columns, batches[0][:2])}")
    clock = Clock(setting.device)
    seconds = over_batches(sides, columns, batches, clock, turns)
    order = "grouped by prompt" if grouped else "shuffled"
    means = f"prompts of at most {longest_prompt}, {mean_of(len(drawn), turns)} ({sizes(columns, batches)})"
    what = f"step, real comparisons {order}, batch {batch_size}, {setting.precision}, {means}"
    return compared(what, seconds, clock, GOALS_GROUPED if grouped else GOALS_REAL)


def has_room(name: str, tokens: int, device: str) -> bool:
    """Whether TRL's step on so many padded tokens fits this machine's memory; says so where it does not."""
    needed, there = tokens * BYTES_A_TOKEN[name] + BYTES_OF_MODELS, available()
    if device == "cuda" or needed < there:
        return True
    print(f"{name} is left out: {tokens:,} tokens need {needed / 2**30:.0f} GiB, and {there / 2**30:.0f} are free")
    return False


def over_batches(
    sides: Mapping[str, Side], columns: FrozenColumns, batches: Sequence[np.ndarray], clock: Clock, turns: int
) -> dict[str, float]:
    """Mean over the batches of a step's seconds, each the median of so many turns in which all sides take that batch.

    A mean, for an epoch takes the sum of its batches; medians within, for other work on the machine comes and goes.
    Before it an uncounted step on the first pair.
    """
    for side in sides.values():
        side.step(side.batch(columns, batches[0][:1]))
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in batches] for name in sides}
    for number, rows in enumerate(batches):
        for _ in range(turns):
            for name, side in sides.items():
                give_back()
                batch = side.batch(columns, rows)
                seconds[name][number].append(clock.seconds(lambda side=side, batch=batch: side.step(batch)))
    return {name: float(np.mean([np.median(each) for each in found])) for name, found in seconds.items()}


def mean_of(batches: int, turns: int) -> str:
    """What `over_batches` gives, in words."""
    of = f"mean of {batches} batches" if batches > 1 else "1 batch"
    return f"{of}, each the median of {turns} turns" if turns > 1 else f"{of}, each measured once"


def sizes(columns: FrozenColumns, batches: Sequence[np.ndarray]) -> str:
    """How many tokens a batch has, padded and with what it repeats once."""
    padded = sum(padded_tokens(columns.rows, rows) for rows in batches)
    shared = sum(shared_tokens(columns.rows, rows) for rows in batches)
    return f"{padded // len(batches):,} tokens padded, {shared // len(batches):,} shared"


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
    return replace(setting, autocast=torch.bfloat16)
