"""A frozen model's token log-probs of many completions, a batch at a time. Knows nothing of what they are kept for."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from summpo.models.forward.layouts import Layout
from summpo.models.forward.log_probs import completion_log_probs
from summpo.records import Batch, Ragged, TokenRows


@torch.inference_mode()
def score_completions(
    model: nn.Module, rows: TokenRows, *, batch_size: int, layout: Layout, autocast: torch.dtype | None, progress: bool
) -> tuple[Ragged, ...]:
    """Token log-probs of every completion under a frozen model, float32, shaped like `rows.completions`.

    Sequences of one prompt share a batch, and so do prompts of like length; the model is left in the mode (train or
    eval) in which it came.
    """
    sequences = [(rows.prompts[i], side[i]) for side in rows.completions for i in range(len(rows))]
    order = sorted(range(len(sequences)), key=lambda i: (-len(sequences[i][0]), sequences[i][0].tobytes()))
    device = next(model.parameters()).device
    scored: list[np.ndarray] = [np.zeros(0, np.float32)] * len(sequences)
    was_training = model.training
    model.eval()
    bar = tqdm(total=len(sequences), desc="reference log-probs", unit="completion", disable=not progress)
    for first in range(0, len(order), batch_size):
        chunk = order[first : first + batch_size]
        batch = Batch(row_ids=(), share=torch.ones(len(chunk)), **layout([sequences[i] for i in chunk])).to(device)
        with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
            log_probs = completion_log_probs(model, batch)
        for i, values in zip(chunk, log_probs.tokens.cpu().split(log_probs.lengths.tolist()), strict=True):
            scored[i] = values.numpy()
        bar.update(len(chunk))
    bar.close()
    model.train(was_training)
    n = len(rows)
    return tuple(Ragged.from_rows(scored[i * n : (i + 1) * n], np.float32) for i in range(len(rows.completions)))


def summed_log_ratios(one: Sequence[Ragged], other: Sequence[Ragged]) -> list[float]:
    """log p / log q of each completion, summed over its tokens, from the log-probs of two models; sides in turn."""
    sides = [p.sums() - q.sums() for p, q in zip(one, other, strict=True)]
    return np.stack(sides, axis=1).ravel().tolist()
