"""What Lightning's side of a run is told of the rows: how many tokens of each are read, and which share a prompt."""

from __future__ import annotations

import numpy as np

from summpo.records import Ragged, Texts, TokenRows
from summpo.training.trainer import prompt_numbers, read_tokens

PAIRS = TokenRows(
    Texts.of(["a", "b", "c"]),
    Ragged.from_rows([[1, 2, 3], [4], [1, 2, 3]], np.int32),
    (Ragged.from_rows([[5], [6, 7], [8]], np.int32), Ragged.from_rows([[9, 9], [5], [5, 6, 7, 8]], np.int32)),
)


def test_a_rows_tokens_by_hand() -> None:
    """Prompts of 3, 1, 3 tokens; chosen of 1, 2, 1; rejected of 2, 1, 4: padded, a row reads its longer side twice."""
    assert read_tokens(PAIRS, shares_prefixes=True).tolist() == [3 + 1 + 2, 1 + 2 + 1, 3 + 1 + 4]
    assert read_tokens(PAIRS, shares_prefixes=False).tolist() == [2 * (3 + 2), 2 * (1 + 2), 2 * (3 + 4)]


def test_summaries_alone_read_their_prompt_once_in_either_layout() -> None:
    summaries = TokenRows(PAIRS.ids, PAIRS.prompts, PAIRS.completions[:1])
    assert read_tokens(summaries, True).tolist() == read_tokens(summaries, False).tolist() == [4, 3, 4]


def test_rows_of_one_prompt_have_one_number() -> None:
    assert prompt_numbers(PAIRS).tolist() == [0, 1, 0]
