"""How the sequences of a batch lie in the model's input: padded side by side, or in one row that shares their prompts.

A sequence is a (prompt, completion) pair of token ids. Both layouts say the same of every completion token: where it is
predicted, and what it is. Pure functions.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from summpo.models.forward.stretches import row_of
from summpo.records import Padded, PromptGroup

Sequences = Sequence[tuple[np.ndarray, np.ndarray]]
"""(prompt, completion) token ids, each int [position]."""
Layout = Callable[[Sequences], dict[str, Any]]
"""`share_prefixes`, or `pad` with its pad_id; gives what a `Batch` holds of sequences, from `input_ids` to `counts`."""


def pad(sequences: Sequences, pad_id: int) -> dict[str, Any]:
    """One row a sequence, padded on the right."""
    width = max(len(prompt) + len(completion) for prompt, completion in sequences)
    input_ids = np.full((len(sequences), width), pad_id, np.int64)
    mask = np.zeros((len(sequences), width), bool)
    predicted_at = []
    for row, (prompt, completion) in enumerate(sequences):
        end = len(prompt) + len(completion)
        input_ids[row, : len(prompt)] = prompt
        input_ids[row, len(prompt) : end] = completion
        mask[row, :end] = True
        predicted_at.append(row * width + np.arange(len(prompt) - 1, end - 1))
    targets = np.concatenate([completion for _, completion in sequences]).astype(np.int64)
    return {
        "input_ids": torch.from_numpy(input_ids),
        "layout": Padded(torch.from_numpy(mask)),
        "predicted_at": torch.from_numpy(np.concatenate(predicted_at)),
        "targets": torch.from_numpy(targets),
        "token_at": torch.arange(len(targets)),
        **counted(sequences),
    }


def share_prefixes(sequences: Sequences) -> dict[str, Any]:
    """One row without padding: [prompt | completion | completion ... | prompt | ...], in the order they first come.

    Each prompt stands once, and so does each completion of it, however many of the sequences have it. Positions go on
    from the prompt's in every completion, as if it stood behind the prompt alone.
    """
    found: dict[bytes, tuple[np.ndarray, dict[bytes, np.ndarray]]] = {}
    for prompt, completion in sequences:
        _, completions = found.setdefault(prompt.tobytes(), (prompt, {}))
        completions.setdefault(completion.tobytes(), completion)
    groups = [(prompt, list(completions.values())) for prompt, completions in found.values()]
    first_token: dict[tuple[bytes, bytes], int] = {}
    ids, predicted_at, tokens, start = [], [], 0, 0
    for prompt, completions in groups:
        starts = list(accumulate(map(len, completions), initial=start + len(prompt)))
        for completion, at in zip(completions, starts, strict=False):  # the last start is the group's end
            before = [start + len(prompt) - 1]
            predicted_at.append(np.concatenate([before, np.arange(at, at + len(completion) - 1)]))
            first_token[prompt.tobytes(), completion.tobytes()] = tokens
            tokens += len(completion)
        ids += [prompt, *completions]
        start = starts[-1]
    token_at = [first_token[p.tobytes(), c.tobytes()] + np.arange(len(c)) for p, c in sequences]
    return {
        "input_ids": torch.from_numpy(np.concatenate(ids).astype(np.int64)[None]),
        "layout": row_of([PromptGroup(len(prompt), tuple(map(len, each))) for prompt, each in groups]),
        "predicted_at": torch.from_numpy(np.concatenate(predicted_at).astype(np.int64)),
        "targets": torch.from_numpy(np.concatenate([c for _, each in groups for c in each]).astype(np.int64)),
        "token_at": torch.from_numpy(np.concatenate(token_at)),
        **counted(sequences),
    }


def counted(sequences: Sequences) -> dict[str, Any]:
    """The completions' lengths."""
    counts = np.array([len(completion) for _, completion in sequences])
    return {"lengths": torch.from_numpy(counts), "counts": counts}
