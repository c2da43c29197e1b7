"""The pairs that both sides train on: random tokens of fixed lengths, and real human comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from summpo.batches import epoch_order
from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.prompts import Prompt
from summpo.records import Ragged, Texts, TokenRows
from summpo.rows import PairRow
from summpo.tokens import Limits, tokenize

SEED = 0
NO_LIMIT = Limits(max_length=10**6)


@dataclass(frozen=True)
class Shape:
    """Pairs that are all of one length."""

    prompt: int
    completion: int
    pairs: int

    def __str__(self) -> str:
        return f"{self.prompt}/{self.completion} tokens, {self.pairs} pair{'s' if self.pairs > 1 else ''}"


def random_pairs(shape: Shape, vocabulary: int) -> TokenRows:
    """Pairs of random tokens."""
    generator = np.random.default_rng(SEED)

    def column(length: int) -> Ragged:
        values = generator.integers(3, vocabulary, shape.pairs * length, dtype=np.int32)
        return Ragged(values, np.arange(shape.pairs + 1, dtype=np.int64) * length)

    ids = Texts.of([f"random-{i}" for i in range(shape.pairs)])
    return TokenRows(ids, column(shape.prompt), (column(shape.completion), column(shape.completion)))


def comparisons(folder: Path) -> list[PairRow]:
    """The human comparisons of `folder`, a copy of openai/summarize_from_feedback.

    Stripped: a completion that begins with white space is another token row in TRL, where it may melt into the
    prompt's last token.
    """
    pairs = SummarizeFromFeedback(path=str(folder)).pairs("train")
    return [replace(pair, chosen=pair.chosen.strip(), rejected=pair.rejected.strip()) for pair in pairs]


def with_short_prompts(
    pairs: Sequence[PairRow], tokenizer: PreTrainedTokenizerBase, longest: int
) -> tuple[list[PairRow], TokenRows]:
    """The pairs whose prompt has at most `longest` tokens, as text and as tokens; none is cut."""
    tokenized = tokenize(pairs, tokenizer, Prompt(), NO_LIMIT)
    fits = np.flatnonzero(tokenized.rows.prompts.lengths <= longest)
    return [pairs[tokenized.kept[i]] for i in fits], take(tokenized.rows, fits)


def shuffled_batches(rows: int, size: int, count: int) -> list[np.ndarray]:
    """The first whole batches of an epoch."""
    order = epoch_order(rows, SEED, 0)
    return [order[first : first + size] for first in range(0, min(count * size, rows - size + 1), size)]


def grouped_batches(prompts: Ragged, size: int, count: int) -> list[np.ndarray]:
    """Whole batches of an epoch in which rows of one prompt stand side by side, in the order the prompts come."""
    groups: dict[bytes, list[int]] = {}
    for row in epoch_order(len(prompts), SEED, 0):
        groups.setdefault(prompts[row].tobytes(), []).append(int(row))
    order = np.array([row for group in groups.values() for row in group])
    return [order[first : first + size] for first in range(0, min(count * size, len(order) - size + 1), size)]


def take(rows: TokenRows, which: np.ndarray) -> TokenRows:
    """Some of the rows."""

    def column(ragged: Ragged) -> Ragged:
        return Ragged.from_rows([ragged[i] for i in which], np.int32)

    ids = Texts.of([rows.ids[i] for i in which])
    return TokenRows(ids, column(rows.prompts), tuple(column(side) for side in rows.completions))
