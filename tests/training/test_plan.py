"""Which rows make which step, whatever the number of processes; the share of each; how a batch is padded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from summpo.models.forward.layouts import pad
from summpo.objectives.dpo import DPO
from summpo.objectives.sft import SFT
from summpo.records import Batch, FrozenColumns, Padded, Ragged, Texts, TokenRows
from summpo.row_kinds.completions import Completions, completion_batch
from summpo.row_kinds.pairs import Pairs, pair_batch
from summpo.training.data import TrainStream
from summpo.training.plan import Plan, count_batches, cut, epoch_batches, epoch_order

PADDED = partial(pad, pad_id=9)
plans = st.builds(
    Plan,
    rows=st.integers(1, 40),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    accumulate=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)


def columns_of(rows: int, sides: int = 2) -> FrozenColumns:
    """Rows of which no two are alike: row i has i % 4 + 1 prompt tokens and completions of i % 3 + 1 and i % 5 + 1."""

    def ragged(lengths: Sequence[int], start: int) -> Ragged:
        return Ragged.from_rows([[start + i] * length for i, length in enumerate(lengths)], np.int32)

    completions = tuple(
        ragged([i % (3 + 2 * side) + 1 for i in range(rows)], 1000 * (side + 1)) for side in range(sides)
    )
    tokens = TokenRows(Texts.of(list(map(str, range(rows)))), ragged([i % 4 + 1 for i in range(rows)], 0), completions)
    reference = tuple(Ragged(-side.values.astype(np.float32), side.offsets) for side in completions)
    return FrozenColumns(tokens, reference, np.arange(2.0 * rows, dtype=np.float32).reshape(rows, 2))


class TestOrder:
    @given(st.integers(0, 50), st.integers(0, 2**32 - 1), st.integers(0, 9))
    def test_is_a_permutation_and_a_pure_function(self, rows: int, seed: int, epoch: int) -> None:
        torch.manual_seed(epoch)
        order = epoch_order(rows, seed, epoch).tolist()
        assert sorted(order) == list(range(rows))
        epoch_order.cache_clear()
        np.random.seed(seed % 7)
        assert epoch_order(rows, seed, epoch).tolist() == order

    def test_stays_the_same_from_one_version_to_the_next(self) -> None:
        """Written down once: a run that is resumed after an upgrade must meet the rows that it would have met."""
        assert epoch_order(10, 42, 0).tolist() == [2, 4, 5, 0, 9, 8, 1, 7, 3, 6]

    def test_another_epoch_or_seed_is_another_order(self) -> None:
        orders = {tuple(epoch_order(20, seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}
        assert len(orders) == 6

    def test_cannot_be_changed_by_who_reads_it(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            epoch_order(5, 0, 0)[0] = 3


class TestPlan:
    @given(plans, st.integers(1, 3))
    def test_every_row_once_an_epoch(self, plan: Plan, epochs: int) -> None:
        total = plan.total_batches(epochs, -1)
        assert total == epochs * count_batches(plan, 0)
        for epoch in range(epochs):
            first = epoch * count_batches(plan, 0)
            rows = np.concatenate([plan.global_batch(first + i) for i in range(count_batches(plan, 0))])
            assert sorted(rows.tolist()) == list(range(plan.rows))

    @given(plans, st.integers(0, 30))
    def test_the_shards_together_are_the_batch_of_one_process(self, plan: Plan, index: int) -> None:
        shards = [plan.shard(index, rank) for rank in range(plan.world_size)]
        one = Plan(plan.rows, plan.batch_size * plan.world_size, 1, plan.accumulate, plan.seed)
        assert np.concatenate([rows[real] for rows, real in shards]).tolist() == one.global_batch(index).tolist()
        assert one.shard(index, 0)[0].tolist() == one.global_batch(index).tolist()
        for rows, real in shards:
            assert 1 <= len(rows) == len(real) <= plan.batch_size
            assert real.all() or len(rows) == 1, "a filler comes alone"
            assert set(rows.tolist()) <= set(one.global_batch(index).tolist())

    @given(plans, st.integers(1, 3))
    def test_the_steps_are_the_same_for_any_number_of_processes(self, plan: Plan, epochs: int) -> None:
        one = Plan(plan.rows, plan.batch_size * plan.world_size, 1, plan.accumulate, plan.seed)
        total = plan.total_batches(epochs, -1)
        assert one.total_batches(epochs, -1) == total
        for index in range(total):
            assert plan.step_rows(index, total).tolist() == one.step_rows(index, total).tolist()

    @given(plans, st.integers(1, 30))
    def test_a_step_is_the_batches_that_it_accumulates(self, plan: Plan, total: int) -> None:
        steps = [list(range(first, min(first + plan.accumulate, total))) for first in range(0, total, plan.accumulate)]
        for step in steps:
            rows = np.concatenate([plan.global_batch(index) for index in step]).tolist()
            assert all(plan.step_rows(index, total).tolist() == rows for index in step)

    @pytest.mark.parametrize(
        ("max_epochs", "max_steps", "total"),
        [(1, -1, 4), (3, -1, 12), (None, 5, 10), (1, 5, 4), (3, 5, 10), (3, 99, 12)],
    )
    def test_where_a_run_ends(self, max_epochs: int | None, max_steps: int, total: int) -> None:
        """10 rows in batches of 3: 4 an epoch, the last of one row; 2 batches a step."""
        plan = Plan(rows=10, batch_size=3, world_size=1, accumulate=2, seed=0)
        assert plan.total_batches(max_epochs, max_steps) == total


class TestShare:
    @given(plans, st.integers(1, 3), st.booleans())
    def test_the_mean_over_a_step_is_exact(self, plan: Plan, epochs: int, counts_tokens: bool) -> None:
        """Lightning divides each batch's loss by `accumulate` and averages the gradients of the processes.

        With shares that makes the mean over the step's rows (or completion tokens), however unevenly they are dealt.
        """
        columns = columns_of(plan.rows, sides=1 if counts_tokens else 2)
        lengths = columns.rows.completions[0].lengths
        losses = np.random.default_rng(0).normal(size=plan.rows)  # of each row, or of each of its tokens
        total = plan.total_batches(epochs, -1)
        assume(total <= 60)
        kind = Completions(SFT()) if counts_tokens else Pairs(DPO())
        streams = [list(TrainStream(columns, plan, rank, total, 0, kind, PADDED)) for rank in range(plan.world_size)]
        assert {len(stream) for stream in streams} == {total}
        for first in range(0, total, plan.accumulate):
            mean = 0.0
            for batch in (batch for stream in streams for batch in stream[first : first + plan.accumulate]):
                for row, share in zip(map(int, batch.row_ids), batch.share.tolist(), strict=True):
                    mean += share * losses[row] * (lengths[row] if counts_tokens else 1)
            rows = plan.step_rows(first, total)
            weights = lengths[rows] if counts_tokens else None
            expected = np.average(losses[rows], weights=weights)
            assert mean / (plan.accumulate * plan.world_size) == pytest.approx(expected, rel=1e-4, abs=1e-5)

    def test_a_filler_counts_nothing(self) -> None:
        """4 rows for 3 processes of 1: the second batch has one row, so two processes get fillers."""
        plan = Plan(rows=4, batch_size=1, world_size=3, accumulate=1, seed=0)
        shares = [
            [batch.share.tolist() for batch in TrainStream(columns_of(4), plan, rank, 2, 0, Pairs(DPO()), PADDED)]
            for rank in range(3)
        ]
        assert shares == [[[1.0], [3.0]], [[1.0], [0.0]], [[1.0], [0.0]]]

    def test_a_resumed_stream_goes_on_with_the_same_batches(self) -> None:
        plan = Plan(rows=11, batch_size=2, world_size=2, accumulate=2, seed=5)
        whole, rest = (list(TrainStream(columns_of(11), plan, 1, 6, start, Pairs(DPO()), PADDED)) for start in (0, 4))
        assert [(b.row_ids, b.share.tolist()) for b in whole[4:]] == [(b.row_ids, b.share.tolist()) for b in rest]


def mask_of(batch: Batch) -> torch.Tensor:
    assert isinstance(batch.layout, Padded)
    return batch.layout.attention_mask


class TestBatches:
    @given(st.lists(st.integers(0, 19), min_size=1, max_size=6))
    def test_the_next_input_is_the_target(self, rows: list[int]) -> None:
        batch = pair_batch(columns_of(20), np.array(rows), np.ones(len(rows)), PADDED)
        width = batch.input_ids.shape[1]
        assert torch.equal(batch.input_ids.flatten()[batch.predicted_at + 1], batch.targets)
        sequence = torch.repeat_interleave(torch.arange(2 * len(rows)), batch.lengths)
        assert torch.equal(batch.predicted_at // width, sequence)
        assert mask_of(batch).sum(dim=1).max() == width, "no position that all sequences pad"

    def test_a_pair_batch_by_hand(self) -> None:
        """Rows 4 and 1 of `columns_of`: chosen of both, then rejected of both.

        row 4: prompt 4, chosen 1004 x 2, rejected 2004 x 5;   row 1: prompt 1 1, chosen 1001 x 2, rejected 2001 x 2.
        """
        batch = pair_batch(columns_of(6), np.array([4, 1]), np.array([0.5, 0.25]), PADDED)
        assert batch.row_ids == ("4", "1")
        assert batch.input_ids.tolist() == [
            [4, 1004, 1004, 9, 9, 9],
            [1, 1, 1001, 1001, 9, 9],
            [4, 2004, 2004, 2004, 2004, 2004],
            [1, 1, 2001, 2001, 9, 9],
        ]
        assert batch.lengths.tolist() == [2, 2, 5, 2]
        assert torch.equal(batch.reference, -batch.targets.float()), "the reference is beside its own tokens"
        assert batch.margins.tolist() == [[8.0, 9.0], [2.0, 3.0]]
        assert batch.share.tolist() == [0.5, 0.25]
        assert (batch.reference.dtype, batch.margins.dtype, batch.share.dtype) == (torch.float32,) * 3

    def test_a_pair_batch_without_a_reference(self) -> None:
        columns = columns_of(3)
        batch = pair_batch(FrozenColumns(columns.rows, None, columns.margins), np.arange(3), np.ones(3), PADDED)
        assert batch.reference.tolist() == [0.0] * int(batch.lengths.sum())

    def test_a_completion_batch_by_hand(self) -> None:
        batch = completion_batch(columns_of(6, sides=1), np.array([5, 0]), np.array([1.0, 0.0]), PADDED)
        assert batch.row_ids == ("5", "0")
        assert batch.input_ids.tolist() == [[5, 5, 1005, 1005, 1005], [0, 1000, 9, 9, 9]]
        assert batch.lengths.tolist() == [3, 1]
        assert batch.share.tolist() == [1.0, 0.0]

    def test_both_sequences_of_a_pair_begin_with_the_same_prompt(self) -> None:
        columns = columns_of(20)
        batch = pair_batch(columns, np.arange(20), np.ones(20), PADDED)
        ends = mask_of(batch).sum(dim=1) - batch.lengths
        for row in range(20):
            prompts = [batch.input_ids[i, : ends[i]].tolist() for i in (row, 20 + row)]
            assert prompts == [columns.rows.prompts[row].tolist()] * 2


@given(plans)
def test_counts_of_rows(plan: Plan) -> None:
    """Each row is trained on as often as any other, in every process count, fillers left out."""
    seen: Counter[int] = Counter()
    for index in range(2 * count_batches(plan, 0)):
        for rank in range(plan.world_size):
            rows, real = plan.shard(index, rank)
            seen.update(rows[real].tolist())
    assert seen == dict.fromkeys(range(plan.rows), 2)


TOKENS = np.array([5, 1, 9, 3, 3, 8, 2, 7, 30, 4, 6, 1])
PROMPTS = np.array([0, 1, 0, 2, 0, 1, 3, 0, 2, 2, 0, 4])
orders = st.sampled_from(["shuffled", "by_prompt", "by_length"])
limits = st.one_of(st.none(), st.integers(1, 40))
token_plans = st.builds(
    Plan,
    rows=st.just(len(TOKENS)),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 3),
    accumulate=st.integers(1, 3),
    seed=st.integers(0, 9),
    order=orders,
    batch_tokens=limits,
    tokens=st.just(TOKENS),
    prompts=st.just(PROMPTS),
)


class TestOrdersAndTokens:
    @given(token_plans, st.integers(0, 3))
    def test_every_row_once_an_epoch_whatever_the_order(self, plan: Plan, epoch: int) -> None:
        shares = [share for batch in epoch_batches(plan, epoch) for share in batch]
        assert sorted(np.concatenate(shares).tolist()) == list(range(plan.rows))
        assert all(len(batch) == plan.world_size for batch in epoch_batches(plan, epoch))
        assert count_batches(plan, epoch) == len(epoch_batches(plan, epoch))

    @given(token_plans, st.integers(0, 3))
    def test_no_process_takes_more_than_it_may(self, plan: Plan, epoch: int) -> None:
        for batch in epoch_batches(plan, epoch):
            for share in batch:
                assert len(share) <= plan.batch_size
                assert plan.batch_tokens is None or len(share) <= 1 or TOKENS[share].sum() <= plan.batch_tokens

    @given(token_plans, st.integers(0, 3))
    def test_padding_counts(self, plan: Plan, epoch: int) -> None:
        plan = replace(plan, pads=True)
        for batch in epoch_batches(plan, epoch):
            for share in batch:
                padded = len(share) * TOKENS[share].max(initial=0)
                assert plan.batch_tokens is None or len(share) <= 1 or padded <= plan.batch_tokens

    def test_padding_by_hand(self) -> None:
        """At most 12 tokens: 3 rows of 4; with one of 6 there are two of them, 6 + 6."""
        tokens = np.array([4, 4, 3, 6, 2, 7])
        plan = Plan(6, 9, 1, 1, 0, batch_tokens=12, tokens=tokens, pads=True)
        assert [batch[0].tolist() for batch in cut(plan, np.arange(6))] == [[0, 1, 2], [3, 4], [5]]
        plan = replace(plan, pads=False)
        assert [batch[0].tolist() for batch in cut(plan, np.arange(6))] == [[0, 1, 2], [3, 4], [5]]
        plan = replace(plan, batch_tokens=15)
        assert [batch[0].tolist() for batch in cut(plan, np.arange(6))] == [[0, 1, 2], [3, 4, 5]]

    @given(token_plans)
    def test_it_is_drawn_from_the_seed_alone(self, plan: Plan) -> None:
        again = replace(plan)
        for epoch in range(2):
            mine, theirs = epoch_batches(plan, epoch), epoch_batches(again, epoch)
            assert [[share.tolist() for share in b] for b in mine] == [[share.tolist() for share in b] for b in theirs]

    @given(token_plans, st.integers(0, 40))
    def test_a_batch_of_the_run_is_one_of_its_epoch(self, plan: Plan, index: int) -> None:
        epoch, position = plan.place(index)
        assert sum(count_batches(plan, before) for before in range(epoch)) + position == index
        assert position < count_batches(plan, epoch)
        assert plan.global_batch(index).tolist() == np.concatenate(epoch_batches(plan, epoch)[position]).tolist()
        assert plan.epochs_after(index) == epoch + position / count_batches(plan, epoch)
        assert plan.total_batches(epoch + 1, -1) == index - position + count_batches(plan, epoch)

    @given(token_plans)
    def test_by_prompt_is_one_stretch_a_prompt(self, plan: Plan) -> None:
        plan = replace(plan, order="by_prompt")
        rows = np.concatenate([share for batch in epoch_batches(plan, 0) for share in batch])
        changes = np.count_nonzero(np.diff(PROMPTS[rows]))
        assert changes == len(set(PROMPTS.tolist())) - 1

    def test_by_prompt_is_another_order_in_each_epoch_and_seed(self) -> None:
        """Of prompts, and of the five rows of prompt 0 among themselves."""
        plans = [Plan(12, 5, 1, 1, seed=seed, order="by_prompt", prompts=PROMPTS) for seed in (0, 1)]
        orders = [np.concatenate([b[0] for b in epoch_batches(plan, epoch)]) for plan in plans for epoch in range(3)]
        assert len({tuple(dict.fromkeys(PROMPTS[rows].tolist())) for rows in orders}) == 6
        assert len({tuple(rows[PROMPTS[rows] == 0].tolist()) for rows in orders}) == 6

    def test_by_length_by_hand(self) -> None:
        """All in one window: the batches of 3 are 1 1 2 | 3 3 4 | 5 6 7 | 8 9 30 tokens, in whatever order."""
        plan = Plan(12, 3, 1, 1, seed=4, order="by_length", tokens=TOKENS)
        found = [sorted(TOKENS[batch[0]].tolist()) for batch in epoch_batches(plan, 0)]
        assert sorted(found) == [[1, 1, 2], [3, 3, 4], [5, 6, 7], [8, 9, 30]]
        assert [sorted(TOKENS[b[0]].tolist()) for b in epoch_batches(plan, 1)] != found

    def test_a_limit_by_hand(self) -> None:
        """In the order 5 1 9 3 3 8 2 7 30 4 6 1 and at most 10 tokens or 3 rows, for two processes, one without rows."""
        plan = Plan(12, 3, 2, 1, seed=0, batch_tokens=10, tokens=TOKENS)
        found = [[TOKENS[share].tolist() for share in batch] for batch in cut(plan, np.arange(12))]
        assert found == [[[5, 1], [9]], [[3, 3], [8, 2]], [[7], [30]], [[4, 6], [1]]]
        assert [s.tolist() for s in cut(plan, np.arange(3))[0]] == [[0, 1], [2]]
        assert [s.tolist() for s in cut(plan, np.arange(2))[0]] == [[0, 1], []]
