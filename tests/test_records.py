"""What flows: ragged rows, batches that move whole, sums by sequence."""

from dataclasses import replace
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.models.forward.stretches import row_of
from summpo.records import Batch, LogProbs, Padded, PairBatch, PromptGroup, Ragged, SharedPrefix, Texts

rows_of_ids = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=6), max_size=8)


@given(rows_of_ids)
def test_ragged_gives_its_rows_back(rows: list[list[int]]) -> None:
    ragged = Ragged.from_rows(rows, np.int32)
    assert len(ragged) == len(rows)
    assert [ragged[i].tolist() for i in range(len(rows))] == rows
    assert ragged.lengths.tolist() == [len(row) for row in rows]
    assert (ragged.values.dtype, ragged.offsets.dtype) == (np.int32, np.int64)


@given(st.lists(st.text(max_size=6)))
def test_texts_give_their_texts_back(texts: list[str]) -> None:
    assert list(Texts.of(texts)) == texts
    assert len(Texts.of(texts)) == len(texts)


def test_a_long_text_costs_no_more_than_itself() -> None:
    texts = Texts.of(["a", "😀" * 1000, "", "b\0"])
    assert texts.utf8.values.nbytes == 1 + 4000 + 0 + 2
    assert (texts[np.int64(1)], texts[3]) == ("😀" * 1000, "b\0")


def test_log_probs_by_hand() -> None:
    """Tokens -1 -2 | -4 | | -8 -16 -32 of sequences of 2, 1, 0 and 3 tokens: sums -3, -4, 0, -56."""
    log_probs = LogProbs(-(2.0 ** torch.arange(6)), torch.tensor([2, 1, 0, 3]))
    assert log_probs.sums().tolist() == [-3.0, -4.0, 0.0, -56.0]


def test_means_and_weights_by_hand() -> None:
    """Tokens -1 -2 | -4 of sequences of 2 and 1: means -1.5 and -4; with weights 1, 0.5, 0 the sums are -2 and 0."""
    log_probs = LogProbs(torch.tensor([-1.0, -2.0, -4.0]), torch.tensor([2, 1]))
    assert log_probs.means().tolist() == [-1.5, -4.0]
    assert log_probs.weighted(torch.tensor([1.0, 0.5, 0.0])).sums().tolist() == [-2.0, 0.0]


def test_aligned_means_by_hand() -> None:
    """The same tokens with collisions of -0.5 -0.5 | -3: means -1 and -1. Without collisions, the means themselves."""
    log_probs = LogProbs(torch.tensor([-1.0, -2.0, -4.0]), torch.tensor([2, 1]))
    assert log_probs.aligned_means().tolist() == [-1.5, -4.0]
    log_probs = replace(log_probs, log_collisions=torch.tensor([-0.5, -0.5, -3.0]))
    assert log_probs.aligned_means().tolist() == [-1.0, -1.0]


def test_a_sum_passes_its_gradient_to_its_own_tokens() -> None:
    tokens = torch.zeros(5, requires_grad=True)
    (LogProbs(tokens, torch.tensor([2, 3])).sums() * torch.tensor([10.0, -1.0])).sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.tolist() == [10.0, 10.0, -1.0, -1.0, -1.0]


def batch_of(kind: type[Batch], **more: Any) -> Batch:
    """Two sequences of two positions, a completion token each."""
    return kind(
        row_ids=("a", "b"),
        input_ids=torch.zeros(2, 2, dtype=torch.long),
        layout=Padded(torch.ones(2, 2, dtype=torch.bool)),
        predicted_at=torch.tensor([0, 2]),
        targets=torch.tensor([5, 6]),
        token_at=torch.tensor([0, 1]),
        lengths=torch.tensor([1, 1]),
        counts=np.array([1, 1]),
        share=torch.ones(2),
        **more,
    )


def test_a_batch_moves_with_every_tensor() -> None:
    batch = batch_of(PairBatch, reference=torch.zeros(2), margins=torch.zeros(1, 2))
    moved = batch.to("meta")
    assert type(moved) is PairBatch
    assert moved.row_ids == batch.row_ids
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    assert len(tensors) == 8
    assert isinstance(moved.layout, Padded)
    assert moved.layout.attention_mask.device.type == "meta"
    assert all(vars(moved)[name].device.type == "meta" for name in tensors)
    assert all(value.device.type == "cpu" for value in tensors.values())


def test_a_shared_row_moves_with_its_positions() -> None:
    layout = row_of([PromptGroup(1, (1, 1))])
    moved = replace(batch_of(Batch), layout=layout).to("meta")
    assert isinstance(moved.layout, SharedPrefix)
    assert moved.layout.position_ids.device.type == "meta"
    assert moved.layout.groups == layout.groups


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_ids", torch.zeros(4, dtype=torch.long)),
        ("layout", None),
        ("token_at", torch.zeros(2)),
        ("targets", torch.zeros(3, dtype=torch.long)),
        ("lengths", torch.ones(2, 1, dtype=torch.long)),
        ("share", torch.ones(2, 1)),
        ("row_ids", ["a", "b"]),
    ],
)
def test_shapes_are_enforced_under_pytest(field: str, value: Any) -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        replace(batch_of(Batch), **{field: value})
