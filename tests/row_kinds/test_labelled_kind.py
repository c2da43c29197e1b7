"""Labelled rows: what their labels weigh, whose completions they are mismatched with, and what a batch comes to."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from summpo.models import Lora, Model
from summpo.models.forward.layouts import pad, share_prefixes
from summpo.models.forward.log_probs import completion_log_probs
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from summpo.objectives.apo_zero_unpaired import APOZeroUnpaired
from summpo.objectives.bco import BCO
from summpo.objectives.kto import KTO
from summpo.records import FrozenColumns, Ragged, Texts, TokenRows
from summpo.row_kinds import Measured, Moment
from summpo.row_kinds.labelled import Labelled, label_weights, lenders, mean_point

WEIGHED = {"desirable_weight": 1.5, "undesirable_weight": 0.75}
FIRST = torch.zeros(2)


@pytest.fixture(scope="module")
def policy(tiny_model_path: Path) -> nn.Module:
    """With an adapter that is not nothing."""
    torch.manual_seed(0)
    model = add_lora(load_base(tiny_model_path, Model(path=str(tiny_model_path))), Lora(r=2, alpha=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.3)
    return model.eval()


def ragged(*rows: list[int]) -> Ragged:
    return Ragged.from_rows([np.asarray(row) for row in rows], np.int32)


PROMPTS = ragged([5, 6], [5, 6, 7], [8], [5, 6])
OWN = ragged([7, 8, 1], [9, 1], [10, 11, 12, 1], [13, 1])
LABELS = np.array([True, False, False, True])
ROWS = TokenRows(Texts.of(["a", "b", "c", "d"]), PROMPTS, (OWN,))


def columns(objective: Any, max_length: int = 64) -> FrozenColumns:
    """The reference gives every token a log-prob of -8; one margin reward."""
    rows = Labelled(objective).token_rows(ROWS, max_length)
    reference = tuple(Ragged(np.full(len(side.values), -8.0, np.float32), side.offsets) for side in rows.completions)
    return FrozenColumns(rows, reference, np.array([[2.0], [-1.0], [0.5], [-1.5]], np.float32), LABELS)


def measured(policy: nn.Module, objective: Any, rows: list[int], layout: Any = None, **moment: Any) -> Measured:
    kind = Labelled(objective)
    batch = kind.batch(columns(objective), np.array(rows), np.full(len(rows), 0.25), layout or partial(pad, pad_id=1))
    with torch.no_grad():
        return kind.measure(policy, batch, torch.tensor([0.1]), Moment((0,), moment.pop("carried", FIRST), **moment))


class TestWeights:
    def test_by_hand(self) -> None:
        """30 good, 10 bad: 40 / 60 and 40 / 20; one that is set draws the other: 1 * 30 = 3 * 10, 2 * 10 = 2/3 * 30."""
        assert label_weights(30, 10, None, None) == pytest.approx((2 / 3, 2.0))
        assert label_weights(30, 10, 1.0, None) == (1.0, 3.0)
        assert label_weights(30, 10, None, 2.0) == pytest.approx((2 / 3, 2.0))
        assert label_weights(30, 10, 1.0, 4 / 3) == (1.0, 4 / 3)
        assert label_weights(30, 0, None, None) == (1.0, 1.0)
        assert label_weights(0, 3, None, 2.0) == (1.0, 2.0)

    @given(st.integers(1, 10**6), st.integers(1, 10**6))
    def test_balanced_labels_weigh_the_same_in_all_and_1_on_average(self, good: int, bad: int) -> None:
        desirable, undesirable = label_weights(good, bad, None, None)
        assert desirable * good == pytest.approx(undesirable * bad)
        assert desirable * good + undesirable * bad == pytest.approx(good + bad)

    def test_they_are_settled_by_the_training_rows(self) -> None:
        labels = np.array([True, True, True, False])
        assert Labelled(KTO()).settled(labels) == {"desirable_weight": 4 / 6, "undesirable_weight": 2.0}


class TestMismatched:
    @given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
    def test_each_row_lends_once_and_to_no_row_of_its_prompt(self, numbers: list[int]) -> None:
        found = lenders(ragged(*([number] for number in numbers)))
        assert sorted(found) == list(range(len(numbers)))
        if 2 * max(map(numbers.count, numbers)) <= len(numbers):
            assert all(numbers[i] != numbers[lender] for i, lender in enumerate(found))

    def test_of_distinct_prompts_it_is_the_row_before(self) -> None:
        assert lenders(ragged([1], [2], [3], [4])).tolist() == [3, 0, 1, 2]

    def test_by_hand(self) -> None:
        """Prompts P Q R P: by prompt rows 0 3 | 1 | 2; two places on, row 1 has row 0's, 2 has 3's, 0 has 1's, 3 has 2's."""
        rows = Labelled(KTO()).token_rows(ROWS, max_length=64)
        assert [rows.completions[1][i].tolist() for i in range(4)] == [[9, 1], [7, 8, 1], [13, 1], [10, 11, 12, 1]]
        assert rows.completions[0] is OWN

    def test_what_does_not_fit_is_cut(self) -> None:
        rows = Labelled(KTO()).token_rows(ROWS, max_length=5)
        assert [rows.completions[1][i].tolist() for i in range(4)] == [[9, 1], [7, 8], [13, 1], [10, 11, 12]]

    @pytest.mark.parametrize("objective", [KTO(reference_point="none"), BCO(), APOZeroUnpaired()])
    def test_there_are_none_where_nobody_looks(self, objective: Any) -> None:
        assert Labelled(objective).token_rows(ROWS, 64) is ROWS


class TestMeasure:
    @pytest.mark.parametrize("layout", [partial(pad, pad_id=1), share_prefixes])
    def test_kto_from_its_log_probs(self, policy: nn.Module, layout: Any) -> None:
        """Rows a (good) and b (bad): 1 - sigmoid of +-(r - z), weighed 1.5 and 0.75; z of both mismatched completions."""
        objective = KTO(beta=0.3, w0=2.0, **WEIGHED)
        kind, frozen = Labelled(objective), columns(objective)
        batch = kind.batch(frozen, np.array([0, 1]), np.ones(2), layout)
        with torch.no_grad():
            sums = completion_log_probs(policy, batch).sums()
            found = kind.measure(policy, batch, torch.tensor([0.1]), Moment((0,), FIRST))
        own = sums[:2] + 8 * torch.tensor([3.0, 2.0])
        other = sums[2:] + 8 * torch.tensor([2.0, 3.0])
        r = (0.3 * own - torch.tensor([0.2, -0.1])) / 2
        z = (0.3 * other.mean() / 2).clamp(min=0)
        assert z > 0
        expected = torch.tensor([1.5, 0.75]) * torch.sigmoid(torch.stack([z - r[0], r[1] - z]))
        assert found.values["loss"].tolist() == pytest.approx(expected.tolist(), rel=1e-4)
        assert found.values["reference_point"].tolist() == pytest.approx([z.item()] * 2, rel=1e-4)
        value, of = found.among["implicit_reward_desirable"]
        assert value[of].tolist() == pytest.approx([(0.15 * own[0]).item()], rel=1e-4)
        value, of = found.among["log_prob_undesirable"]
        assert value[of].tolist() == pytest.approx([sums[1].item()], rel=1e-4)

    def test_the_reference_point_and_the_mismatched_teach_nothing(self, policy: nn.Module) -> None:
        """The gradient is that of the losses with z as a number."""
        objective = KTO(beta=0.3, **WEIGHED)
        kind = Labelled(objective)
        batch = kind.batch(columns(objective), np.arange(4), np.ones(4), share_prefixes)
        weight = next(w for n, w in policy.named_parameters() if "lora_B" in n)

        def slope(measured: Measured) -> torch.Tensor:
            return torch.autograd.grad(measured.values["loss"].sum(), weight)[0]

        whole = kind.measure(policy, batch, torch.tensor([0.1]), Moment((0,), FIRST))
        fixed = KTO(beta=0.3, reference_point="running", **WEIGHED)
        point = float(whole.values["reference_point"][0])
        assert point > 0
        with_number = Labelled(fixed).measure(
            policy, batch, torch.tensor([0.1]), Moment((0,), torch.tensor([point, 9.0]))
        )
        assert torch.allclose(slope(whole), slope(with_number), rtol=1e-4, atol=1e-7)

    @pytest.mark.parametrize("objective", [KTO(**WEIGHED), BCO(**WEIGHED), APOZeroUnpaired(**WEIGHED)])
    def test_shared_prompts_change_nothing(self, policy: nn.Module, objective: Any) -> None:
        padded, shared = (measured(policy, objective, [0, 1, 2, 3], layout) for layout in (None, share_prefixes))
        for name, value in padded.values.items():
            assert value.tolist() == pytest.approx(shared.values[name].tolist(), rel=1e-4, abs=1e-5), name

    def test_a_margin_counts_against_a_reward(self, policy: nn.Module) -> None:
        """w m / w0 is taken off: of margins 2, -1, 0.5, -1.5 with weight 0.1."""
        with_margin, without = (
            Labelled(APOZeroUnpaired(beta=0.3, **WEIGHED)).measure(
                policy,
                Labelled(APOZeroUnpaired()).batch(
                    columns(APOZeroUnpaired()), np.arange(4), np.ones(4), partial(pad, pad_id=1)
                ),
                torch.tensor([weight]),
                Moment((0,), FIRST),
            )
            for weight in (0.1, 0.0)
        )
        assert with_margin.values["weighted_margin"].tolist() == pytest.approx([0.2, -0.1, 0.05, -0.15])
        weights = torch.tensor([1.5, 0.75, 0.75, 1.5])
        sign = torch.tensor([1, -1, -1, 1])
        before, after = ((v.values["loss"] / weights).logit() * -sign for v in (without, with_margin))
        assert torch.allclose(before - after, with_margin.values["weighted_margin"], atol=1e-4)


class TestPoint:
    POINTS, REAL = torch.tensor([1.0, 3.0, 8.0]), torch.tensor([True, True, False])

    def test_of_a_batch_is_the_mean_of_its_real_rows(self) -> None:
        mean, carried = mean_point("batch", self.POINTS, self.REAL, Moment((0,), FIRST, lambda value: value))
        assert mean.item() == 2
        assert carried.tolist() == [2, 2], "for the validation that comes after the step"

    def test_what_is_measured_is_held_against_the_last_steps_point(self) -> None:
        """However many rows are side by side, in however many processes; before a step, against its own."""
        carried = torch.tensor([1.5, 4.0])
        for points, real in ((self.POINTS, self.REAL), (self.POINTS[:1], self.REAL[:1])):
            mean, after = mean_point("batch", points, real, Moment((0,), carried))
            assert mean.item() == 1.5 and after is carried
        assert mean_point("batch", self.POINTS, self.REAL, Moment((0,), FIRST))[0].item() == 2

    def test_of_a_batch_is_over_all_processes(self) -> None:
        """Another process has 3 rows of sum 11: (4 + 11) / (2 + 3)."""
        total = partial(torch.add, torch.tensor([11.0, 3.0]))
        assert mean_point("batch", self.POINTS, self.REAL, Moment((0,), FIRST, total))[0].item() == 3

    @given(st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=4), min_size=1, max_size=6))
    def test_running_is_the_mean_of_all_rows_so_far(self, steps: list[list[float]]) -> None:
        carried, seen = FIRST, []
        for step in steps:
            seen += step
            moment = Moment((0,), carried, lambda value: value)
            mean, carried = mean_point("running", torch.tensor(step), torch.ones(len(step), dtype=torch.bool), moment)
            assert mean.item() == pytest.approx(np.mean(seen), abs=1e-4)
        measured_mean, same = mean_point("running", torch.tensor([99.0]), torch.tensor([True]), Moment((0,), carried))
        assert measured_mean == mean and same is carried, "where nothing is trained it stands still"

    def test_none_is_0(self) -> None:
        assert mean_point("none", self.POINTS, self.REAL, Moment((0,), FIRST))[0].item() == 0
