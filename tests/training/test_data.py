"""Which rows come when: shares that add up to exact means, the same stream after a resume, each validation row once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.models.forward.layouts import pad
from summpo.objectives.dpo import DPO
from summpo.objectives.sft import SFT
from summpo.records import FrozenColumns, Ragged, Texts, TokenRows
from summpo.row_kinds.completions import Completions
from summpo.row_kinds.pairs import Pairs
from summpo.training.data import ColumnData, TrainStream, ValidationBatches
from summpo.training.plan import Plan


def columns(rows: int, sides: int = 1) -> FrozenColumns:
    """Rows named by their number: prompts of 2 tokens, completions of 1 to 5."""
    tokens = TokenRows(
        Texts.of([str(row) for row in range(rows)]),
        Ragged.from_rows([[1, 2]] * rows, np.int32),
        (Ragged.from_rows([[3] * (1 + row % 5) for row in range(rows)], np.int32),) * sides,
    )
    return FrozenColumns(tokens, None, np.zeros((rows, 0), np.float32))


def data(train: int, plan: Plan, epochs: int = 1, validation: int = 0, validations: int = 0) -> ColumnData:
    return ColumnData(
        train=columns(train),
        validation=columns(validation) if validation else None,
        plan=plan,
        total_batches=plan.total_batches(epochs, -1),
        validations=validations,
        eval_batch_size=2,
        kind=Completions(SFT()),
        layout=partial(pad, pad_id=0),
    )


def stream(frozen: FrozenColumns, plan: Plan, rank: int, total: int, start: int, counts_tokens: bool) -> TrainStream:
    kind = Completions(SFT()) if counts_tokens else Pairs(DPO())
    return TrainStream(frozen, plan, rank, total, start, kind, partial(pad, pad_id=0))


@given(
    rows=st.integers(1, 30),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    accumulate=st.integers(1, 4),
    epochs=st.integers(1, 3),
    counts_tokens=st.booleans(),
)
def test_the_shares_of_a_step_make_lightnings_mean_exact(
    rows: int, batch_size: int, world_size: int, accumulate: int, epochs: int, counts_tokens: bool
) -> None:
    """Lightning divides by the batches of a step and the processes: a loss of 1 a unit must come out as 1 a step."""
    plan = Plan(rows, batch_size, world_size, accumulate, seed=0)
    total = plan.total_batches(epochs, -1)
    steps = [0.0] * -(-total // accumulate)
    seen: Counter[str] = Counter()
    for rank in range(world_size):
        for index, batch in enumerate(stream(columns(rows, 2 - counts_tokens), plan, rank, total, 0, counts_tokens)):
            units = batch.lengths.numpy() if counts_tokens else np.ones(len(batch.row_ids))
            steps[index // accumulate] += float(batch.share.numpy() @ units) / (accumulate * world_size)
            seen.update(id for id, share in zip(batch.row_ids, batch.share.tolist(), strict=True) if share > 0)
    assert steps == pytest.approx([1.0] * len(steps), rel=1e-5)
    assert seen == {str(row): epochs for row in range(rows)}


@given(rows=st.integers(1, 20), start=st.integers(0, 12), rank=st.integers(0, 1))
def test_a_stream_from_the_middle_is_the_rest_of_the_whole(rows: int, start: int, rank: int) -> None:
    plan = Plan(rows, 3, 2, accumulate=2, seed=7)
    total = plan.total_batches(3, -1)
    whole = list(stream(columns(rows), plan, rank, total, 0, True))
    rest = list(stream(columns(rows), plan, rank, total, min(start, total), True))
    assert len(rest) == total - min(start, total)
    for one, other in zip(whole[min(start, total) :], rest, strict=True):
        assert one.row_ids == other.row_ids
        assert one.share.tolist() == other.share.tolist()
        assert one.input_ids.tolist() == other.input_ids.tolist()


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 5, 6])
def test_every_validation_row_counts_once_and_every_process_has_a_batch(rows: int, world_size: int) -> None:
    frozen = columns(rows)
    counted: Counter[str] = Counter()
    for rank in range(world_size):
        batches = ValidationBatches(frozen, 2, rank, world_size, Completions(SFT()), partial(pad, pad_id=0))
        taken = list(batches)
        assert len(taken) == len(batches) >= 1
        for batch in taken:
            counted.update(dict(zip(batch.row_ids, batch.share.tolist(), strict=True)))
    assert {row: count for row, count in counted.items() if count} == {str(row): 1 for row in range(rows)}


@given(steps=st.integers(1, 60), accumulate=st.integers(1, 4), times=st.integers(1, 8))
def test_validations_are_evenly_spaced_and_the_last_is_at_the_end(steps: int, accumulate: int, times: int) -> None:
    plan = Plan(rows=steps * accumulate, batch_size=1, world_size=1, accumulate=accumulate, seed=0)
    points = sorted(data(plan.rows, plan, validation=1, validations=times).validation_points)
    assert len(points) == min(times, steps)
    assert points[-1] == plan.rows
    assert all(point % accumulate == 0 for point in points), "after an optimizer step, never within one"
    gaps = [after - before for before, after in pairwise([0, *points])]
    assert max(gaps) - min(gaps) <= accumulate


def test_no_validation_rows_or_times_no_validation() -> None:
    plan = Plan(rows=4, batch_size=2, world_size=1, accumulate=1, seed=0)
    nothing, never = data(4, plan, validations=3), data(4, plan, validation=3, validations=0)
    assert nothing.validation_points == never.validation_points == frozenset()
    assert nothing.val_dataloader() == []


def test_a_resumed_run_takes_the_batches_after_those_that_its_checkpoint_has_seen() -> None:
    module = data(10, Plan(rows=10, batch_size=2, world_size=1, accumulate=1, seed=0), epochs=2)
    whole = [batch.row_ids for batch in module.train_dataloader()]
    module.load_state_dict({"batches_done": 6})
    assert [batch.row_ids for batch in module.train_dataloader()] == whole[6:]


def test_what_a_run_sees_counts_rows_and_their_tokens_without_padding() -> None:
    module = data(7, Plan(rows=7, batch_size=2, world_size=2, accumulate=1, seed=0), epochs=2)
    # prompts of 2 tokens; completions of 1 2 3 4 5 1 2
    assert module.seen() == {"rows_seen": 14, "tokens_seen": 2 * (14 + 18)}
