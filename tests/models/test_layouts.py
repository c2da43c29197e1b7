"""How sequences lie in the model's input: by hand, and what both layouts say alike of every token."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.models.forward.layouts import Sequences, pad, share_prefixes
from summpo.records import Padded, PromptGroup, SharedPrefix


def sequences_of(*texts: str) -> Sequences:
    """ "1 2 > 3 4": the prompt 1 2 with the completion 3 4."""
    sides = [[np.array(side.split(), np.int32) for side in text.split(">")] for text in texts]
    return [(prompt, completion) for prompt, completion in sides]


def test_padded_by_hand() -> None:
    """Prompt 1 2 with completion 3 4 5, prompt 6 with completion 7; 9 is padding, width 5.

    flat position      0 1 2 3 4 | 5 6 7 8 9
    ids                1 2 3 4 5 | 6 7 9 9 9
    predicted at         1 2 3   | 5            (the position before each completion token)
    """
    batch = pad(sequences_of("1 2 > 3 4 5", "6 > 7"), pad_id=9)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5], [6, 7, 9, 9, 9]]
    assert batch["layout"].attention_mask.tolist() == [[True] * 5, [True, True, False, False, False]]
    assert batch["predicted_at"].tolist() == [1, 2, 3, 5]
    assert batch["targets"].tolist() == [3, 4, 5, 7]
    assert batch["token_at"].tolist() == [0, 1, 2, 3]
    assert batch["lengths"].tolist() == [3, 1]


def test_shared_by_hand() -> None:
    """Two pairs of the prompt 1 2, whose chosen completion is the same, and one of the prompt 6.

    position in the row    0 1 | 2 3 4 | 5 6 | 7 | 8 | 9 10 | 11
    ids                    1 2 | 3 4 5 | 3 8 | 9 | 6 | 7  7 | 7
    position told          0 1 | 2 3 4 | 2 3 | 2 | 0 | 1  2 | 1
    predicted at                 1 2 3   1 5   1       8  9   8
    distinct token               0 1 2   3 4   5       6  7   8
    """
    chosen = ("1 2 > 3 4 5", "6 > 7 7", "1 2 > 3 4 5")
    rejected = ("1 2 > 3 8", "6 > 7", "1 2 > 9")
    batch = share_prefixes(sequences_of(*chosen, *rejected))
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5, 3, 8, 9, 6, 7, 7, 7]]
    assert batch["layout"].position_ids.tolist() == [[0, 1, 2, 3, 4, 2, 3, 2, 0, 1, 2, 1]]
    assert batch["layout"].groups == (PromptGroup(2, (3, 2, 1)), PromptGroup(1, (2, 1)))
    assert batch["predicted_at"].tolist() == [1, 2, 3, 1, 5, 1, 8, 9, 8]
    assert batch["targets"].tolist() == [3, 4, 5, 3, 8, 9, 7, 7, 7]
    assert batch["token_at"].tolist() == [0, 1, 2, 6, 7, 0, 1, 2, 3, 4, 8, 5]
    assert batch["lengths"].tolist() == [3, 2, 3, 2, 1, 1]


ids = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(lambda some: np.array(some, np.int32))


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=8))
def test_both_layouts_tell_of_the_same_tokens(sequences: Sequences) -> None:
    padded, shared = pad(sequences, 9), share_prefixes(sequences)
    assert torch.equal(padded["lengths"], shared["lengths"])
    of_shared = shared["targets"][shared["token_at"]]
    assert torch.equal(padded["targets"][padded["token_at"]], of_shared)
    assert of_shared.tolist() == [token for _, completion in sequences for token in completion]


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=8))
def test_a_shared_row_holds_each_thing_once_and_whole(sequences: Sequences) -> None:
    """Every completion token is predicted where the token before it stands, at the position that it has alone."""
    shared = share_prefixes(sequences)
    row, layout = shared["input_ids"][0].tolist(), shared["layout"]
    assert isinstance(layout, SharedPrefix)
    distinct = {(tuple(prompt), tuple(completion)) for prompt, completion in sequences}
    prompts = {prompt for prompt, _ in distinct}
    assert len(row) == sum(map(len, prompts)) + sum(len(completion) for _, completion in distinct)
    assert len(row) == sum(group.prompt + sum(group.completions) for group in layout.groups)
    at, targets = shared["predicted_at"].tolist(), shared["targets"].tolist()
    positions = layout.position_ids[0].tolist()
    for (prompt, completion), where in zip(
        sequences, shared["token_at"].split(shared["lengths"].tolist()), strict=True
    ):
        before = [prompt[-1], *completion[:-1]]
        for place, token in enumerate(where.tolist()):
            assert targets[token] == completion[place]
            assert row[at[token]] == before[place]
            assert positions[at[token]] == len(prompt) + place - 1


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=8))
def test_padding_is_behind_and_no_more_than_needed(sequences: Sequences) -> None:
    padded = pad(sequences, 9)
    assert isinstance(padded["layout"], Padded)
    mask = padded["layout"].attention_mask
    assert mask.sum(dim=1).max() == mask.shape[1]
    assert not (~mask[:, :-1] & mask[:, 1:]).any()
    assert (padded["input_ids"][~mask] == 9).all()
