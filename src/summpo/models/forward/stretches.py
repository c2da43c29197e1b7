"""A row that shares prompts, from what it holds: positions, and stretches with keys of their own. Pure functions."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch

from summpo.records import PromptGroup, SharedPrefix, Stretches


def row_of(groups: Sequence[PromptGroup]) -> SharedPrefix:
    """The layout of a row of these groups."""
    positions = [
        np.arange(first, first + length)
        for group in groups
        for first, length in [(0, group.prompt), *((group.prompt, each) for each in group.completions)]
    ]
    return SharedPrefix(torch.from_numpy(np.concatenate(positions)[None]), tuple(groups), stretches_of(groups))


def lengths_of(group: PromptGroup) -> list[int]:
    """Lengths of a group's stretches: the prompt with its first completion, and each further completion."""
    first, *further = group.completions
    return [group.prompt + first, *further]


def stretches_of(groups: Sequence[PromptGroup]) -> Stretches:
    """The stretches of a row of these groups."""
    lengths, key_lengths, key_at, start = [], [], [], 0
    for group in groups:
        prompt = np.arange(start, start + group.prompt)
        for number, length in enumerate(lengths_of(group)):
            before = prompt[: len(prompt) if number else 0]
            lengths.append(length)
            key_lengths.append(len(before) + length)
            key_at += [before, np.arange(start, start + length)]
            start += length
    is_the_row = sum(key_lengths) == start
    return Stretches(
        None if is_the_row else torch.from_numpy(np.concatenate(key_at)),
        torch.tensor([0, *accumulate(lengths)], dtype=torch.int32),
        torch.tensor([0, *accumulate(key_lengths)], dtype=torch.int32),
        max(lengths),
        max(key_lengths),
    )
