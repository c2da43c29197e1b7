"""Every pairwise objective: one example by hand each, the laws of all of them, gradients by finite differences."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from summpo.errors import UserError
from summpo.objectives import CompletionObjective, PairwiseObjective, needs_collisions
from summpo.objectives.alphapo import AlphaPO
from summpo.objectives.apo_down import APODown
from summpo.objectives.apo_zero import APOZero
from summpo.objectives.cpo import CPO
from summpo.objectives.dpo import DPO
from summpo.objectives.dpo_hinge import DPOHinge
from summpo.objectives.dpo_robust import DPORobust
from summpo.objectives.dpop import DPOP
from summpo.objectives.ipo import IPO
from summpo.objectives.ld_dpo import LDDPO
from summpo.objectives.ln_dpo import LNDPO
from summpo.objectives.losses import weighted_margin
from summpo.objectives.modpo import MODPO
from summpo.objectives.orpo import ORPO
from summpo.objectives.rdpo import RDPO
from summpo.objectives.sampo import SamPO
from summpo.objectives.sft_term import WithSFT
from summpo.objectives.simpo import SimPO
from summpo.objectives.wpo import WPO
from summpo.records import LogProbs, PairLogProbs, PairLosses

LN2 = math.log(2)
OBJECTIVES: list[Any] = [
    DPO(), DPO(label_smoothing=0.2), DPOHinge(), DPORobust(), IPO(), MODPO(w0=0.5), RDPO(), LNDPO(), LDDPO(), SamPO(),
    SimPO(), ORPO(), CPO(), DPOP(), DPOHinge(w0=0.5), APOZero(), APODown(), AlphaPO(), AlphaPO(alpha=-0.5), WPO(),
    WithSFT(DPO(), 0.5), WithSFT(SimPO(), 2.0), WithSFT(WPO(), 1.0),
]  # fmt: skip
SYMMETRIC: list[Any] = [DPO(), MODPO(w0=0.5), RDPO(), LNDPO(), LDDPO(), SamPO()]
"""A pair and its swap are judged alike, so that their likelihoods sum to 1."""


def named(objective: Any) -> str:
    return type(objective).__name__


def w0_of(objective: Any) -> float:
    return getattr(objective, "w0", 1.0)


def pairs_of(policy: list[list[float]], reference: list[list[float]] | None = None, seed: int = 0) -> PairLogProbs:
    """Token log-probs of [chosen ..., rejected ...], float64; a reference of 0 where none is given."""
    lengths = torch.tensor([len(side) for side in policy])
    tokens = torch.tensor([value for side in policy for value in side], dtype=torch.float64)
    frozen = torch.zeros_like(tokens)
    if reference is not None:
        frozen = torch.tensor([value for side in reference for value in side], dtype=torch.float64)
    return PairLogProbs(LogProbs(tokens, lengths), LogProbs(frozen, lengths), np.arange(len(policy) // 2) + seed)


def losses(objective: Any, pairs: PairLogProbs, margin: float = 0.0) -> PairLosses:
    return objective.losses(pairs, torch.full((len(pairs.seeds),), margin, dtype=torch.float64))


def softplus(x: float) -> float:
    """-log sigmoid(-x)."""
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# -- by hand ------------------------------------------------------------------------------------------------------------

# Chosen of 2 tokens, rejected of 4. Policy sums -3 and -8, reference sums -4 and -6: log-ratios 1 and -2, D = 3; means
# over tokens 0.5 and -0.5, D of means 1.
POLICY = [[-1.0, -2.0], [-1.0, -2.0, -4.0, -1.0]]
REFERENCE = [[-2.0, -2.0], [-1.0, -1.0, -3.0, -1.0]]
BY_HAND: list[tuple[Any, float, float, str]] = [
    (DPO(0.5), 0.25, softplus(-1.25), "beta D - m = 1.5 - 0.25"),
    (DPOHinge(0.2), 0.25, 0.65, "1 - (0.6 - 0.25)"),
    (DPOHinge(0.5), 0.25, 0.0, "1 - 1.25 is below 0"),
    (DPORobust(0.5, 0.2), 0.0, (0.8 * softplus(-1.5) - 0.2 * softplus(1.5)) / 0.6, "e = 0.2, 1 - 2e = 0.6"),
    (IPO(0.5), 0.0, 0.0, "D of means = 1 = 1 / (2 * 0.5)"),
    (IPO(0.25), 0.0, 1.0, "(1 - 2)^2"),
    (IPO(0.5), 0.25, 0.25, "((0.5 - 0.25 - 0.5) / 0.5)^2"),
    (MODPO(0.5, 0.5), 0.25, softplus(-2.5), "(1.5 - 0.25) / 0.5"),
    (RDPO(0.5, 0.1), 0.0, softplus(-1.3), "1.5 + 0.1 * (2 - 4)"),
    (LNDPO(2.0), 0.5, softplus(-1.5), "2 * 1 - 0.5"),
    (LDDPO(0.5, 0.5), 0.0, softplus(-1.25), "rejected: 0 - 1 of the first 2 tokens, 0.5 * -1 of the rest; D = 2.5"),
    (SimPO(2.0, 0.5), 0.25, softplus(-(2 * (-1.5 + 2.0) - 0.75)), "means -1.5 and -2"),
    (ORPO(0.1), 0.0, 1.5 + 0.1 * softplus(-((-1.5 - math.log(1 - math.exp(-1.5))) - (-2 - math.log(1 - math.exp(-2))))),
     "1.5 nats a token of the chosen"),
    (CPO(0.1, 0.5), 0.0, softplus(-0.5) + 0.5 * 1.5, "0.1 * (-3 + 8), and half of 1.5"),
    (DPOP(0.5, 4.0), 0.0, softplus(-1.5), "the chosen gained a nat: no penalty"),
    (DPOHinge(0.2, w0=2.0), 0.25, 1 - 0.35 / 2, "1 - (0.6 - 0.25) / 2"),
    (APOZero(0.5), 0.0, (1 - sigmoid(0.5)) + sigmoid(-1.0), "rewards 0.5 and -1"),
    (APOZero(0.5), 0.4, (1 - sigmoid(0.3)) + sigmoid(-0.8), "each bears half: 0.5 - 0.2 and -1 + 0.2"),
    (APODown(0.5), 0.0, sigmoid(0.5) + (1 - sigmoid(1.5)), "rewards 0.5 and -1"),
    (APODown(0.5), 0.4, sigmoid(0.3) + (1 - sigmoid(1.1)), "0.5 - 0.2, and 1.5 - 0.4"),
    (AlphaPO(2.0, 0.5, alpha=0.5), 0.25, softplus(-(2 * ((1 - math.exp(0.75)) - (1 - math.exp(1.0))) / 0.5 - 0.75)),
     "means -1.5 and -2: p^-alpha = e^0.75 and e^1"),
    (AlphaPO(2.0, 0.0, alpha=-1.0), 0.0, softplus(-2 * (math.exp(-1.5) - math.exp(-2.0))), "alpha = -1: the probabilities"),
    (WPO(0.5), 0.25, math.exp(-1.5 - 2.0) * softplus(-1.25), "p = e^-1.5 and e^-2, nobody asked for collisions"),
]  # fmt: skip


@pytest.mark.parametrize(("objective", "margin", "loss", "why"), BY_HAND, ids=[named(row[0]) for row in BY_HAND])
def test_by_hand(objective: Any, margin: float, loss: float, why: str) -> None:
    made = losses(objective, pairs_of(POLICY, REFERENCE), margin)
    assert made.loss.item() == pytest.approx(loss, abs=1e-6), why


def test_dpop_where_the_chosen_lost() -> None:
    """Policy and reference of the example changed over: log-ratios -1 and 2, D = -3, a nat lost on the chosen.

    beta (D - lambda * 1) = 0.5 * (-3 - 4) = -3.5; the loss ln(1 + e^3.5) = 3.529750.
    """
    assert losses(DPOP(0.5, 4.0), pairs_of(REFERENCE, POLICY)).loss.item() == pytest.approx(3.529750, abs=1e-6)


def test_sampo_takes_two_of_the_four_rejected_tokens() -> None:
    """Their log-ratios are 0, -1, -1, 0, so two of them make 0, -1 or -2, 1 : 4 : 1; with the chosen's 1, D = 1, 2, 3."""
    seen = [losses(SamPO(0.5), pairs_of(POLICY, REFERENCE, seed)).logit.item() for seed in range(600)]
    counts = [seen.count(0.5 * d) for d in (1, 2, 3)]
    assert sum(counts) == 600
    assert counts == pytest.approx([100, 400, 100], abs=50)


def test_wpo_weighs_what_the_policy_would_write_by_1() -> None:
    """Of two tokens of a vocabulary of two, both even: p = 1/2 and sum_v p_v^2 = 1/2, log p - log 1/2 = 0, weight 1.

    A token of probability 1/4 beside one of 3/4: sum_v p_v^2 = 10/16, so that its factor is (1/4) / (10/16) = 2/5.
    """
    pairs = pairs_of([[math.log(1 / 2)], [math.log(1 / 2)]], [[-1.0], [-2.0]])
    collisions = torch.tensor([1 / 2, 1 / 2], dtype=torch.float64).log()
    dpo = losses(DPO(0.5), pairs).loss.item()
    assert losses(WPO(0.5), with_collisions(pairs, collisions)).loss.item() == pytest.approx(dpo, rel=1e-12)
    unlikely = with_collisions(
        pairs_of([[math.log(1 / 4)], [math.log(1 / 2)]], [[-1.0], [-2.0]]),
        torch.tensor([10 / 16, 1 / 2]).double().log(),
    )
    assert losses(WPO(0.5), unlikely).loss.item() == pytest.approx(0.4 * losses(DPO(0.5), unlikely).loss.item())


def with_collisions(pairs: PairLogProbs, collisions: Tensor) -> PairLogProbs:
    return replace(pairs, policy=replace(pairs.policy, log_collisions=collisions))


def test_no_gradient_goes_through_wpos_weights() -> None:
    """The gradient is the weight, e^-3.5, times DPO's."""
    gradients = []
    for objective in (WPO(0.5), DPO(0.5)):
        pairs = pairs_of(POLICY, REFERENCE)
        tokens = pairs.policy.tokens.requires_grad_()
        losses(objective, pairs).loss.sum().backward()
        gradients.append(tokens.grad)
    assert torch.allclose(gradients[0], math.exp(-3.5) * gradients[1], rtol=1e-12)


def test_rewards_hold_no_margin_and_the_logit_does() -> None:
    for objective in OBJECTIVES:
        plain, weighed = (losses(objective, pairs_of(POLICY, REFERENCE), margin) for margin in (0.0, 0.3))
        assert torch.equal(plain.rewards, weighed.rewards), objective
        assert (plain.logit - weighed.logit).item() == pytest.approx(0.3 / w0_of(objective)), objective


# -- laws ---------------------------------------------------------------------------------------------------------------

token_log_probs = st.floats(-6, -0.01)
completion = st.lists(token_log_probs, min_size=1, max_size=6)
margins = st.floats(-3, 3)


@st.composite
def random_pairs(draw: st.DrawFn, same_length: bool = False) -> PairLogProbs:
    chosen = draw(completion)
    size = len(chosen) if same_length else draw(st.integers(1, 6))
    rejected = draw(st.lists(token_log_probs, min_size=size, max_size=size))
    reference = [draw(st.lists(token_log_probs, min_size=len(side), max_size=len(side))) for side in (chosen, rejected)]
    return pairs_of([chosen, rejected], reference, draw(st.integers(0, 99)))


def swapped(pairs: PairLogProbs) -> PairLogProbs:
    def swap(side: LogProbs) -> LogProbs:
        chosen, rejected = side.tokens.split(side.lengths.tolist())
        return LogProbs(torch.cat([rejected, chosen]), side.lengths.flip(0))

    return PairLogProbs(swap(pairs.policy), swap(pairs.reference), pairs.seeds)


@pytest.mark.parametrize("objective", SYMMETRIC, ids=named)
@given(pairs=random_pairs(), margin=margins)
def test_a_swap_flips_the_logit_and_the_likelihoods_sum_to_1(
    objective: Any, pairs: PairLogProbs, margin: float
) -> None:
    there, back = losses(objective, pairs, margin), losses(objective, swapped(pairs), -margin)
    assert there.logit.item() == pytest.approx(-back.logit.item(), abs=1e-9)
    assert math.exp(-there.loss.item()) + math.exp(-back.loss.item()) == pytest.approx(1)


@pytest.mark.parametrize(
    "objective", [o for o in OBJECTIVES if o.needs_reference and not isinstance(o, RDPO)], ids=named
)
@given(pairs=random_pairs())
def test_at_the_reference_nothing_is_preferred(objective: Any, pairs: PairLogProbs) -> None:
    at_reference = losses(objective, replace(pairs, reference=pairs.policy))
    assert at_reference.logit.item() == 0
    assert at_reference.rewards.tolist() == [0, 0]
    if isinstance(objective, DPOHinge | APOZero | APODown):
        assert at_reference.loss.item() == 1
    elif not isinstance(objective, IPO | WPO | WithSFT):
        assert at_reference.loss.item() == pytest.approx(LN2)


@given(pairs=random_pairs(), margin=margins)
def test_a_swap_of_what_is_anchored(pairs: PairLogProbs, margin: float) -> None:
    """The logit flips; APO-zero's losses of a pair and its swap sum to 2, APO-down's to 1 and both anchors'."""
    for objective in (APOZero(0.3), APODown(0.3)):
        there, back = losses(objective, pairs, margin), losses(objective, swapped(pairs), -margin)
        assert there.logit.item() == pytest.approx(-back.logit.item(), abs=1e-9)
        chosen, rejected = there.rewards.tolist()
        anchors = sigmoid(chosen - margin / 2) + sigmoid(rejected + margin / 2)
        total = 2 if isinstance(objective, APOZero) else 1 + anchors
        assert there.loss.item() + back.loss.item() == pytest.approx(total, rel=1e-12)


@given(pairs=random_pairs(), margin=margins)
def test_a_swap_of_what_is_weighed_or_shaped(pairs: PairLogProbs, margin: float) -> None:
    """The logits of WPO, AlphaPO without gamma and a hinge with a w0 flip; WPO's weight is the same for both."""
    for objective in (WPO(), AlphaPO(gamma=0.0), DPOHinge(w0=0.5)):
        there, back = losses(objective, pairs, margin), losses(objective, swapped(pairs), -margin)
        assert there.logit.item() == pytest.approx(-back.logit.item(), rel=1e-9, abs=1e-9), objective
        if isinstance(objective, WPO):
            logit = there.logit.item()
            assert there.loss.item() * softplus(logit) == pytest.approx(back.loss.item() * softplus(-logit))


@given(random_pairs(), margins)
def test_what_reduces_to_dpo(pairs: PairLogProbs, margin: float) -> None:
    dpo = losses(DPO(0.3), pairs, margin).loss.item()
    for same in (MODPO(0.3), RDPO(0.3, alpha=0.0), LDDPO(0.3, alpha=1.0), DPORobust(0.3, 0.0), DPOP(0.3, penalty=0.0)):
        assert losses(same, pairs, margin).loss.item() == pytest.approx(dpo, rel=1e-12), same


@given(random_pairs(), margins)
def test_what_else_reduces(pairs: PairLogProbs, margin: float) -> None:
    """AlphaPO at alpha = 0 is SimPO, and close to 0 it is close to it; CPO is its own preference term with SFT beside it."""
    simpo = losses(SimPO(2.0, 0.5), pairs, margin).loss.item()
    assert losses(AlphaPO(2.0, 0.5, alpha=0.0), pairs, margin).loss.item() == simpo
    for alpha in (1e-9, -1e-9):
        assert losses(AlphaPO(2.0, 0.5, alpha), pairs, margin).loss.item() == pytest.approx(simpo, rel=1e-6)
    cpo = losses(CPO(0.3, alpha=0.7), pairs, margin).loss.item()
    assert losses(WithSFT(CPO(0.3, alpha=0.0), 0.7), pairs, margin).loss.item() == pytest.approx(cpo, rel=1e-12)


@given(random_pairs(), margins, st.floats(0.1, 3), st.floats(0.1, 10))
def test_beta_w_and_w0_scaled_together_change_no_hinge(
    pairs: PairLogProbs, margin: float, w0: float, scale: float
) -> None:
    plain, scaled = (losses(DPOHinge(by * 0.3, by * w0), pairs, by * margin).loss.item() for by in (1.0, scale))
    assert plain == pytest.approx(scaled, rel=1e-9, abs=1e-9)


@given(random_pairs(), margins, st.floats(-100, 100))
def test_a_constant_added_to_both_margin_rewards_changes_nothing(
    pairs: PairLogProbs, margin: float, constant: float
) -> None:
    chosen, rejected = (torch.tensor([[half + constant]], dtype=torch.float64) for half in (margin / 2, -margin / 2))
    moved = weighted_margin(chosen - rejected, torch.ones(1, dtype=torch.float64))
    for objective in OBJECTIVES:
        there, shifted = losses(objective, pairs, margin), objective.losses(pairs, moved)
        assert shifted.loss.item() == pytest.approx(there.loss.item(), rel=1e-9, abs=1e-9), objective


@given(random_pairs(), st.floats(0, 0.3))
def test_modpo_with_the_length_is_r_dpo(pairs: PairLogProbs, w: float) -> None:
    chosen, rejected = pairs.policy.lengths.tolist()
    margin = w * -(chosen - rejected)
    modpo, rdpo = losses(MODPO(0.3), pairs, margin), losses(RDPO(0.3, alpha=w), pairs)
    assert modpo.loss.item() == pytest.approx(rdpo.loss.item(), rel=1e-12)


@given(random_pairs(same_length=True), margins)
def test_at_equal_lengths(pairs: PairLogProbs, margin: float) -> None:
    """LD-DPO and SamPO are DPO, LN-DPO is DPO with beta / length; SimPO without gamma is LN-DPO without a reference."""
    length = int(pairs.policy.lengths[0])
    dpo = losses(DPO(0.3), pairs, margin).loss.item()
    for same in (LDDPO(0.3, alpha=0.1), SamPO(0.3), LNDPO(0.3 * length), RDPO(0.3, alpha=0.2)):
        assert losses(same, pairs, margin).loss.item() == pytest.approx(dpo, rel=1e-9), same
    no_reference = replace(pairs, reference=replace(pairs.reference, tokens=0 * pairs.reference.tokens))
    ln_dpo = losses(LNDPO(2.0), no_reference, margin).loss.item()
    assert losses(SimPO(2.0, gamma=0.0), pairs, margin).loss.item() == pytest.approx(ln_dpo, rel=1e-9)


@given(random_pairs())
def test_what_needs_no_reference_does_not_see_one(pairs: PairLogProbs) -> None:
    other = replace(pairs, reference=replace(pairs.reference, tokens=pairs.reference.tokens - 1))
    for objective in OBJECTIVES:
        if not objective.needs_reference:
            assert torch.equal(losses(objective, pairs).loss, losses(objective, other).loss), objective


@given(random_pairs(), st.floats(0.01, 0.4))
def test_the_robust_loss_is_unbiased(pairs: PairLogProbs, e: float) -> None:
    """Over labels of which a share e is flipped its mean is DPO's loss on the true ones."""
    there, back = (losses(DPORobust(0.3, e), side).loss.item() for side in (pairs, swapped(pairs)))
    assert (1 - e) * there + e * back == pytest.approx(losses(DPO(0.3), pairs).loss.item(), rel=1e-9, abs=1e-9)


@given(random_pairs(), margins)
def test_neighbours_change_nothing(pairs: PairLogProbs, margin: float) -> None:
    chosen, rejected = pairs.policy.tokens.split(pairs.policy.lengths.tolist())
    their, other = pairs.reference.tokens.split(pairs.reference.lengths.tolist())
    more = pairs_of(
        [chosen.tolist(), [-0.5] * 3, rejected.tolist(), [-1.5]], [their.tolist(), [-1.0] * 3, other.tolist(), [-0.2]]
    )
    more = replace(more, seeds=np.array([pairs.seeds[0], 77]))
    for objective in OBJECTIVES:
        assert losses(objective, more, margin).loss[0].item() == pytest.approx(
            losses(objective, pairs, margin).loss.item(), rel=1e-9
        ), objective


# -- gradients ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [o for o in OBJECTIVES if not needs_collisions(o)], ids=named)
def test_gradients_by_finite_differences(objective: Any) -> None:
    """But for WPO, whose weight has no gradient on purpose."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([2, 5, 3, 1])
    policy, reference = (-torch.rand(11, dtype=torch.float64, generator=generator) - 0.1 for _ in range(2))

    def loss(tokens: Tensor) -> Tensor:
        pairs = PairLogProbs(LogProbs(tokens, lengths), LogProbs(reference, lengths), np.arange(2))
        return objective.losses(pairs, torch.tensor([0.2, -0.1], dtype=torch.float64)).loss

    assert torch.autograd.gradcheck(loss, (policy.requires_grad_(),))


CERTAIN, NEAR, USUAL, FAR = 0.0, -1e-9, -1.5, -1e4
extremes = st.sampled_from([CERTAIN, NEAR, -1e-7, USUAL, -30.0, FAR])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=named)
@given(
    level=st.lists(extremes, min_size=2, max_size=2),
    reference=st.lists(extremes, min_size=2, max_size=2),
    lengths=st.sampled_from([[1, 1], [1, 300], [300, 1], [7, 7]]),
    margin=st.sampled_from([0.0, 0.3, 1e6, -1e6, 1e12, -1e12]),
)
def test_nothing_is_infinite_at_the_extremes(
    objective: Any, dtype: torch.dtype, level: list[float], reference: list[float], lengths: list[int], margin: float
) -> None:
    """Every token of a completion at one log-prob, certain, equal to its rival's or out of reach; any margin, any length."""
    counts = torch.tensor(lengths)
    tokens, frozen = (torch.tensor(side).repeat_interleave(counts).to(dtype) for side in (level, reference))
    tokens.requires_grad_()
    pairs = PairLogProbs(LogProbs(tokens, counts), LogProbs(frozen, counts), np.zeros(1, np.int64))
    made = objective.losses(pairs, torch.tensor([margin], dtype=dtype))
    made.loss.sum().backward()
    for value in (made.loss, made.logit, made.rewards, tokens.grad):
        assert torch.isfinite(value).all()
    assert torch.isfinite(tokens.grad.float().norm()), "nor is the norm that a gradient is clipped by"


@pytest.mark.parametrize("objective", OBJECTIVES, ids=named)
@pytest.mark.parametrize("certain", ["chosen", "rejected", "both"])
def test_no_gradient_reaches_the_logits_of_a_certain_token(objective: Any, certain: str) -> None:
    """d log p / d logits = 1 - p: 0 where a completion has probability 1 in float32, whatever the loss makes of it."""
    logits = torch.zeros(2, 3, 5)
    sure = [certain in ("chosen", "both"), certain in ("rejected", "both")]
    logits[sure, :, 0] = 200.0
    logits.requires_grad_()
    log_probs = logits.log_softmax(-1)
    assert [bool((side[:, 0] == 0).all()) for side in log_probs] == sure
    lengths = torch.tensor([3, 3])
    policy = LogProbs(log_probs[:, :, 0].flatten(), lengths)
    pairs = PairLogProbs(policy, LogProbs(torch.full((6,), -1.0), lengths), np.zeros(1, np.int64))
    objective.losses(pairs, torch.zeros(1)).loss.sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
    assert not logits.grad[sure].any()


@pytest.mark.parametrize(("chosen", "rejected", "slopes"), [(0.0, -1.0, (-1 / 2, 0.0)), (0.0, 0.0, (-1 / 2, 0.0))])
def test_orpo_of_a_chosen_summary_of_probability_1(chosen: float, rejected: float, slopes: tuple[float, float]) -> None:
    """Of two tokens each: SFT's slope alone, minus a half a token, is left; the odds ratio has none."""
    tokens = torch.tensor([chosen, chosen, rejected, rejected], requires_grad=True)
    lengths = torch.tensor([2, 2])
    pairs = PairLogProbs(LogProbs(tokens, lengths), LogProbs(torch.zeros(4), lengths), np.zeros(1, np.int64))
    made = ORPO(0.5).losses(pairs, torch.zeros(1))
    made.loss.sum().backward()
    assert made.loss.item() == pytest.approx(0.0 if rejected else 0.5 * LN2, abs=1e-6)
    assert tokens.grad is not None
    assert tokens.grad.tolist() == pytest.approx([slopes[0], slopes[0], slopes[1], slopes[1]], abs=1e-6)


# -- what they are ------------------------------------------------------------------------------------------------------


def test_every_yaml_of_the_group_is_tried_here(repository: Path) -> None:
    from omegaconf import OmegaConf

    targets = set()
    for file in (repository / "conf" / "objective").glob("*.yaml"):
        module, _, name = str(OmegaConf.load(file)["_target_"]).rpartition(".")  # pyright: ignore[reportArgumentType]
        targets.add(getattr(importlib.import_module(module), name))
    pairwise = {made for made in targets if isinstance(made(), PairwiseObjective)}
    assert {type(objective) for objective in OBJECTIVES} - {WithSFT} == pairwise
    assert len(pairwise) == 17


@pytest.mark.parametrize("objective", OBJECTIVES, ids=named)
def test_is_a_pairwise_objective(objective: Any) -> None:
    assert isinstance(objective, PairwiseObjective) and not isinstance(objective, CompletionObjective)
    assert objective.learns_from == "pairs"


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: DPOHinge(beta=0), "beta must be > 0, got 0 (config key objective.beta)"),
    (lambda: DPORobust(label_smoothing=0.5), "label_smoothing must be < 0.5, got 0.5"),
    (lambda: DPORobust(label_smoothing=-0.1), "label_smoothing must be >= 0, got -0.1"),
    (lambda: IPO(beta=-1), "beta must be > 0, got -1"),
    (lambda: RDPO(alpha=-0.1), "alpha must be >= 0, got -0.1 (config key objective.alpha)"),
    (lambda: LNDPO(beta=math.nan), "beta must be > 0, got nan"),
    (lambda: LDDPO(alpha=1.5), "alpha must be >= 0 and <= 1, got 1.5"),
    (lambda: SamPO(beta=math.inf), "beta must be > 0, got inf"),
    (lambda: SimPO(gamma=-1), "gamma must be >= 0, got -1"),
    (lambda: ORPO(weight=0), "weight must be > 0, got 0"),
    (lambda: CPO(alpha=-1), "alpha must be >= 0, got -1"),
    (lambda: DPOP(penalty=-1), "penalty must be >= 0, got -1"),
    (lambda: DPOHinge(w0=0), "w0 must be > 0, got 0 (config key objective.w0)"),
    (lambda: APOZero(beta=0), "beta must be > 0, got 0"),
    (lambda: APODown(beta=-1), "beta must be > 0, got -1"),
    (lambda: AlphaPO(alpha=math.nan), "alpha must be >= -10 and <= 10, got nan"),
    (lambda: AlphaPO(gamma=-1), "gamma must be >= 0, got -1"),
    (lambda: WPO(beta=0), "beta must be > 0, got 0"),
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED)
def test_refused(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        make()
    assert sentence in str(refusal.value)
