"""The pairs that both sides train on: random tokens of fixed lengths, and real human comparisons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.records import FrozenColumns, Ragged, Texts, TokenRows
from summpo.text.prompts import Prompt
from summpo.text.rows import PairRow
from summpo.text.tokens import Limits, tokenize
from summpo.training.plan import Plan
from summpo.training.trainer import prompt_numbers

REPOSITORY = Path(__file__).resolve().parents[1]
COMPARISONS = Path(os.environ.get("SUMMPO_TEST_DATA", REPOSITORY.parent / "shared" / "data"), "tldr_comparisons")
"""Where human comparisons are looked for, as by the tests: $SUMMPO_TEST_DATA, or shared/data beside the repository."""
SEED = 0
EOS = 0
"""Of random rows, and of the tokenizer of random weights."""
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
    return random_rows([np.full(shape.pairs, length) for length in lengths_of(shape)], vocabulary)


def drawn_pairs(longest: Shape, batches: int, vocabulary: int) -> TokenRows:
    """So many batches of pairs of random tokens; each length is drawn between half and all of the longest.

    Completions end with `EOS`, as those of real rows do.
    """
    generator, count = np.random.default_rng(SEED), batches * longest.pairs
    lengths = [generator.integers(-(-most // 2), most, count, endpoint=True) for most in lengths_of(longest)]
    rows = random_rows(lengths, vocabulary)
    for side in rows.completions:
        side.values[side.offsets[1:] - 1] = EOS
    return rows


def lengths_of(shape: Shape) -> tuple[int, int, int]:
    """Of a prompt, a chosen and a rejected completion."""
    return shape.prompt, shape.completion, shape.completion


def random_rows(lengths: Sequence[np.ndarray], vocabulary: int) -> TokenRows:
    """Rows of random tokens, none of them special; `lengths` are those of prompts, chosen and rejected completions."""
    generator = np.random.default_rng(SEED)

    def column(lengths: np.ndarray) -> Ragged:
        values = generator.integers(3, vocabulary, lengths.sum(), dtype=np.int32)
        return Ragged(values, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))

    prompts, chosen, rejected = (column(each) for each in lengths)
    ids = Texts.of([f"random-{i}" for i in range(len(prompts))])
    return TokenRows(ids, prompts, (chosen, rejected))


def random_columns(shape: Shape, vocabulary: int) -> FrozenColumns:
    """The same, with a reference that is 0 everywhere."""
    return with_zero_reference(random_pairs(shape, vocabulary))


def with_zero_reference(rows: TokenRows) -> FrozenColumns:
    """Where what the reference says changes nothing that is looked at."""
    reference = tuple(Ragged(np.zeros(len(s.values), np.float32), s.offsets) for s in rows.completions)
    return FrozenColumns(rows, reference, np.zeros((len(rows), 0), np.float32))


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


def planned_batches(rows: TokenRows, size: int, count: int, order: str) -> list[np.ndarray]:
    """The first batches of an epoch, as a run has them under order=shuffled or order=by_prompt."""
    plan = Plan(len(rows), size, world_size=1, accumulate=1, seed=SEED, order=order, prompts=prompt_numbers(rows))
    return [plan.global_batch(index) for index in range(min(count, len(rows) // size))]


def take(rows: TokenRows, which: np.ndarray) -> TokenRows:
    """Some of the rows."""

    def column(ragged: Ragged) -> Ragged:
        return Ragged.from_rows([ragged[i] for i in which], np.int32)

    ids = Texts.of([rows.ids[i] for i in which])
    return TokenRows(ids, column(rows.prompts), tuple(column(side) for side in rows.completions))


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
