"""The break-even weight: by hand, against logistic regression and training itself, and where there is none."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.margin_rewards.break_even import BreakEven, break_even, meanings_of, w0_of, where_it_lies, where_they_lie
from summpo.margin_rewards.coverage import Coverage
from summpo.margin_rewards.length import Length
from summpo.margin_rewards.margins import WeightedMargin
from summpo.models.weights.loading import load_tokenizer
from summpo.objectives.apo_zero_unpaired import APOZeroUnpaired
from summpo.objectives.bco import BCO
from summpo.objectives.cpo import CPO
from summpo.objectives.dpo import DPO
from summpo.objectives.dpo_hinge import DPOHinge
from summpo.objectives.ipo import IPO
from summpo.objectives.kto import KTO
from summpo.objectives.ld_dpo import LDDPO
from summpo.objectives.ln_dpo import LNDPO
from summpo.objectives.modpo import MODPO
from summpo.objectives.orpo import ORPO
from summpo.objectives.rdpo import RDPO
from summpo.objectives.reward_model import RewardModel
from summpo.objectives.sampo import SamPO
from summpo.objectives.simpo import SimPO
from summpo.records import LogProbs, PairLogProbs
from summpo.text.encoding import count_tokens

WORDS = ("longer summaries", "shorter summaries")
both_signs = st.lists(st.integers(-80, 80), min_size=2, max_size=40).filter(lambda m: min(m) < 0 < max(m))


def after_training(margins: np.ndarray, w: float, objective: Any) -> float:
    """How far the best policy ref exp(t r) / Z stands from the reference: t, by Newton on the objective's own loss."""
    lengths = torch.ones(2 * len(margins), dtype=torch.int64)
    m = torch.tensor(margins, dtype=torch.float64)
    t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [t], max_iter=300, tolerance_grad=1e-13, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        search.zero_grad()
        pairs = PairLogProbs(
            LogProbs(torch.cat([t * m, 0 * m]), lengths),
            LogProbs(0 * lengths.double(), lengths),
            np.zeros(len(m), np.int64),
        )
        found = objective.losses(pairs, w * m).loss.mean()
        found.backward()
        return found

    search.step(loss)  # type: ignore[arg-type]
    return t.item()


class TestBreakEven:
    def test_by_hand(self) -> None:
        """3 of 4 chosen are 10 tokens longer: 3 sigma(-10 w) = sigma(10 w), so w* = ln 3 / 10.

        The information is 4 * 3/4 * 1/4 * 10^2 = 75.
        """
        found = break_even(np.array([-10.0, -10.0, -10.0, 10.0]))
        assert found.weight == pytest.approx(math.log(3) / 10)
        assert found.standard_error == pytest.approx(1 / math.sqrt(75))
        assert found.estimate == "0.11 +- 0.1"
        assert found.sweep == (0.0, 0.055, 0.11, 0.22, 0.44)

    @given(both_signs)
    def test_is_the_logistic_coefficient(self, margins: list[int]) -> None:
        """Of the choice on chosen length less rejected, no intercept: the likelihood is flat there."""
        d = -np.array(margins, np.float64)
        found = break_even(-d)
        assert found.weight is not None and found.standard_error is not None
        share = 1 / (1 + np.exp(np.clip(found.weight * d, -700, 700)))
        assert share @ d == pytest.approx(0, abs=1e-6 * np.abs(d).sum())
        assert found.standard_error == pytest.approx(1 / np.sqrt(share * (1 - share) @ d**2), rel=1e-6)

    @given(both_signs, st.floats(0.1, 5), st.floats(0.01, 100))
    def test_units_and_w0(self, margins: list[int], w0: float, unit: float) -> None:
        """A reward in other units has a weight in other units; a choice and its opposite have opposite weights."""
        m = np.array(margins, np.float64)
        one = break_even(m)
        assert one.weight is not None and one.standard_error is not None
        other = break_even(m * unit, w0=w0)
        assert other.weight == pytest.approx(one.weight * w0 / unit, rel=1e-6, abs=1e-9 / unit)
        assert other.standard_error == pytest.approx(one.standard_error * w0 / unit, rel=1e-6)
        assert break_even(np.concatenate([m, -m])).weight == 0
        assert break_even(np.concatenate([m, -m])).sweep == ()
        assert break_even(-m).weight == pytest.approx(-one.weight, rel=1e-6, abs=1e-12)
        assert break_even(np.concatenate([m, np.zeros(5)])).weight == pytest.approx(one.weight, rel=1e-6, abs=1e-12)

    @pytest.mark.parametrize(
        ("margins", "without"),
        [([1.0, 2.0], "raised"), ([1.0, 0.0], "raised"), ([-1.0, 0.0], "lowered"), ([0.0, 0.0], "never told"), ([], "never told")],
    )  # fmt: skip
    def test_where_there_is_none(self, margins: list[float], without: str) -> None:
        """Separable choices: the chosen is never the longer, never the shorter, or never another."""
        found = break_even(np.array(margins))
        assert (found, found.sweep) == (BreakEven(None, None, without), ())  # type: ignore[arg-type]

    def test_far_numbers(self) -> None:
        """One chosen a hair shorter among pairs that are tens of thousands of tokens longer, and the other way round."""
        for margins in ([-50_000.0] * 99 + [1e-3], [50_000.0] * 99 + [-1e-3], [1e-30, -3e-30]):
            found = break_even(np.array(margins))
            m = np.array(margins)
            assert found.weight is not None and np.isfinite(found.weight)
            share = 1 / (1 + np.exp(np.clip(-found.weight * m, -700, 700)))
            assert abs(share @ m) < 1e-6 * np.abs(m).max()

    @pytest.mark.parametrize(("w0", "beta"), [(1.0, 0.1), (2.5, 0.1), (1.0, 1.0)])
    def test_training_goes_the_way_that_it_says_and_as_far(self, w0: float, beta: float) -> None:
        """Along ref exp(t r) the best t is (w - w*) / beta, for any w, beta and w0."""
        margins = np.random.default_rng(1).normal(-4, 15, 200)
        found = break_even(margins, w0=w0)
        assert found.weight is not None and found.weight > 0
        for times in (0.0, 0.5, 1.0, 2.0, 5.0):
            w = times * found.weight
            t = after_training(margins, w, MODPO(beta=beta, w0=w0))
            assert t == pytest.approx((w - found.weight) / beta, abs=1e-5)

    def test_beside_a_reward_of_a_fixed_weight(self) -> None:
        """w* of w is where a step along its reward changes nothing, the other's nats being there."""
        rng = np.random.default_rng(2)
        margins, others = rng.normal(-2, 10, 300), rng.normal(1, 1, 300)
        found = break_even(margins, others, w0=2.0)
        assert found.weight is not None
        share = 1 / (1 + np.exp(-(found.weight * margins + others) / 2))
        assert share @ margins == pytest.approx(0, abs=1e-6)
        assert found.weight != pytest.approx(break_even(margins, w0=2.0).weight, rel=0.01)


def test_human_comparisons(shared_data: Path, real_model_path: Path) -> None:
    """285 real ones, against torch's search for the likeliest logistic coefficient: longer was chosen more often."""
    pairs = SummarizeFromFeedback(path=str(shared_data / "tldr_comparisons")).pairs("validation")
    tokenizer = load_tokenizer(real_model_path)
    sides = [count_tokens([getattr(pair, side) for pair in pairs], tokenizer) for side in ("chosen", "rejected")]
    longer = np.subtract(*sides).astype(np.float64)
    found = break_even(-longer)
    d, coefficient = torch.tensor(longer), torch.zeros(1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([coefficient], max_iter=200, tolerance_grad=1e-13, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        found = torch.nn.functional.softplus(-coefficient * d).mean()
        found.backward()
        return found

    search.step(loss)  # type: ignore[arg-type]
    assert found.weight == pytest.approx(coefficient.item(), rel=1e-4)
    assert 0.01 < found.weight < 0.04 and 0.003 < found.standard_error < 0.01  # type: ignore[operator]


class TestWords:
    AT = BreakEven(0.022, 0.007)

    @pytest.mark.parametrize(
        ("weight", "found", "says"),
        [
            (0.1, AT, "w=0.1 is 4.5 times the break-even weight 0.022 +- 0.007: expect shorter summaries"),
            (0.0, AT, "w=0 is below the break-even weight 0.022 +- 0.007: expect longer summaries"),
            (0.003, AT, "w=0.003 is 0.14 times the break-even weight 0.022 +- 0.007: expect longer summaries"),
            (0.03, AT, "w=0.03 is 1.4 times the break-even weight 0.022 +- 0.007: too near to tell which way it goes"),
            (0.0, BreakEven(-0.3, 0.1), "w=0 is above the break-even weight -0.3 +- 0.1: expect shorter summaries"),
            (1.0, BreakEven(None, None, "raised"), "w=1: expect shorter summaries at any weight, for the choice speaks against it in no pair"),
            (1.0, BreakEven(None, None, "lowered"), "w=1: expect longer summaries at any weight, for the choice speaks for it in no pair"),
            (1.0, BreakEven(None, None, "never told"), "w=1 weighs nothing: the margin is 0 in every pair"),
        ],
    )  # fmt: skip
    def test_where_a_weight_lies(self, weight: float, found: BreakEven, says: str) -> None:
        assert where_it_lies("w", weight, found, WORDS) == says

    def test_what_more_of_a_reward_means(self) -> None:
        length, coverage = WeightedMargin(Length(), 0.1), WeightedMargin(Coverage(), 0.1)
        assert meanings_of({"length": length}) == WORDS
        assert meanings_of({"length": WeightedMargin(Length(), 0.1, scale=-1.0)}) == WORDS[::-1]
        assert meanings_of({"length": length, "words": WeightedMargin(Length("words"), 0.1)}) == WORDS
        assert meanings_of({"a": length, "b": coverage}) == ("less a + b", "more a + b")

    def test_of_w_or_of_each_weight_of_its_own(self) -> None:
        table = np.array([[-10.0, 1.0], [-10.0, -1.0], [-10.0, 2.0], [10.0, 1.0]] * 50, np.float32)
        margins = {"length": WeightedMargin(Length(), 1.0), "coverage": WeightedMargin(Coverage(), 0.0)}
        (said,) = where_they_lie(margins, table, {"length"}, 1.0, MODPO(w0=2.0))
        assert said == "w=1 is 4.6 times the break-even weight 0.22 +- 0.03: expect shorter summaries"
        (said,) = where_they_lie(margins, table, set(), 0.0, DPO())
        assert said.startswith("margin_reward.length.weight=1 is 9.1 times")
        (said,) = where_they_lie(margins, table, {"length"}, 1.0, IPO())
        assert said.endswith("shorter summaries (of dpo and modpo: no more than a guide for this objective)")


@pytest.mark.parametrize(
    ("objective", "w0"),
    [(DPO(), 1.0), (DPO(beta=2.0), 1.0), (MODPO(w0=2.5), 2.5), (RewardModel(), 1.0), (LDDPO(alpha=1.0), 1.0), (RDPO(alpha=0.0), 1.0)],
)  # fmt: skip
def test_objectives_that_it_is_derived_for(objective: Any, w0: float) -> None:
    assert w0_of(objective) == pytest.approx(w0, rel=1e-5)


@pytest.mark.parametrize(
    "objective",
    [DPO(label_smoothing=0.1), IPO(), DPOHinge(), LNDPO(), SimPO(), SimPO(gamma=0.0), ORPO(), CPO(), SamPO(), RDPO(), LDDPO(alpha=0.5)],
    ids=str,
)  # fmt: skip
def test_objectives_for_which_it_is_a_guide(objective: Any) -> None:
    """Another link, another sum of the tokens, no reference, or a price of length of its own."""
    assert w0_of(objective) is None


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 4)), min_size=2, max_size=12))
def test_a_row_that_counts_twice_is_two_rows(rows: list[tuple[int, int]]) -> None:
    margins, counts = (np.array(column, float) for column in zip(*rows, strict=True))
    once, twice = break_even(margins, counts=counts), break_even(np.repeat(margins, counts.astype(int)))
    assert once.without == twice.without
    assert once.weight == (None if twice.weight is None else pytest.approx(twice.weight, rel=1e-6, abs=1e-9))


def test_of_labels_it_is_bcos_own() -> None:
    assert w0_of(BCO(w0=2.0)) == pytest.approx(2.0)
    assert w0_of(KTO()) is None
    assert w0_of(APOZeroUnpaired()) is None
