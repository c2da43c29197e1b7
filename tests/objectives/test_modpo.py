"""MODPO: one example by hand, its laws towards DPO and R-DPO, the identity before the first step."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from summpo.errors import UserError
from summpo.margin_rewards import Completions
from summpo.margin_rewards.length import Length
from summpo.objectives import PairwiseObjective
from summpo.objectives.dpo import DPO
from summpo.objectives.losses import weighted_margin
from summpo.objectives.modpo import MODPO
from summpo.records import LogProbs, PairLogProbs

betas, weights, w0s = st.floats(0.01, 2), st.floats(0, 1), st.floats(0.1, 3)
log_probs = st.lists(st.floats(-20, 0), min_size=2, max_size=2)
lengths = st.lists(st.integers(1, 600), min_size=2, max_size=2)


def one_token_each(values: list[float]) -> LogProbs:
    return LogProbs(torch.tensor(values, dtype=torch.float64), torch.ones(len(values), dtype=torch.long))


def weight(w: float) -> Tensor:
    """Float64 [1 reward]."""
    return torch.tensor([w], dtype=torch.float64)


def length_margin(counts: list[int]) -> Tensor:
    """Float64 [1 pair, 1 reward]: the margin reward `length` of texts with so many words, chosen minus rejected."""
    texts = ["word " * count for count in counts]
    chosen, rejected = Length("words").rewards(Completions(["", ""], texts, lambda texts: [0] * len(texts)))
    return torch.tensor([[chosen - rejected]], dtype=torch.float64)


def loss_of(objective: MODPO | DPO, policy: list[float], reference: list[float], margin: Tensor) -> float:
    """The loss of one pair, as the training step puts it together."""
    pairs = PairLogProbs(one_token_each(policy), one_token_each(reference), np.zeros(1, np.int64))
    return objective.losses(pairs, margin).loss.item()


def test_by_hand() -> None:
    """beta = 0.1, w = 0.05, w0 = 0.5. Lengths 30 (chosen) and 20 (rejected).

    log-ratios   -10 + 14 = 4   and   -12 + 11 = -1;    beta D = 0.1 * 5 = 0.5
    margin       -30 + 20 = -10;                        w . m  = 0.05 * -10 = -0.5
    logit        (0.5 + 0.5) / 0.5 = 2;                 loss   = ln(1 + exp(-2)) = 0.126928
    """
    margin = weighted_margin(length_margin([30, 20]), weight(0.05))
    loss = loss_of(MODPO(beta=0.1, w0=0.5), [-10, -12], [-14, -11], margin)
    assert loss == pytest.approx(0.126928, abs=1e-6)


@given(log_probs, log_probs, betas)
def test_without_margins_it_is_dpo(policy: list[float], reference: list[float], beta: float) -> None:
    nothing = weighted_margin(torch.zeros(1, 0).double(), torch.zeros(0).double())
    modpo, dpo = (loss_of(objective, policy, reference, nothing) for objective in (MODPO(beta, w0=1.0), DPO(beta)))
    assert modpo == pytest.approx(dpo, rel=1e-12)


@given(log_probs, log_probs, lengths, betas)
def test_with_w_0_it_is_dpo(policy: list[float], reference: list[float], counts: list[int], beta: float) -> None:
    nothing = weighted_margin(length_margin(counts), weight(0.0))
    modpo, dpo = (loss_of(objective, policy, reference, nothing) for objective in (MODPO(beta, w0=1.0), DPO(beta)))
    assert modpo == pytest.approx(dpo, rel=1e-12)


@given(log_probs, log_probs, lengths, betas, weights)
def test_with_the_length_it_is_r_dpo(
    policy: list[float], reference: list[float], counts: list[int], beta: float, w: float
) -> None:
    """R-DPO, 2403.19159 eq. 9: -log sigmoid(beta D + alpha (Lw - Ll)) with alpha = w, written out on plain numbers."""
    d = (policy[0] - reference[0]) - (policy[1] - reference[1])
    logit = beta * d + w * (counts[0] - counts[1])
    r_dpo = math.log1p(math.exp(-logit)) if logit > 0 else -logit + math.log1p(math.exp(logit))
    margin = weighted_margin(length_margin(counts), weight(w))
    assert loss_of(MODPO(beta, w0=1.0), policy, reference, margin) == pytest.approx(r_dpo, rel=1e-9, abs=1e-12)


@given(log_probs, lengths, betas, weights, w0s)
def test_before_the_first_step(policy: list[float], counts: list[int], beta: float, w: float, w0: float) -> None:
    """Policy = reference: log(1 + exp(-(w / w0) (len_chosen - len_rejected))), ln 2 where w = 0 or the lengths agree."""
    margin = weighted_margin(length_margin(counts), weight(w))
    loss = loss_of(MODPO(beta, w0), policy, policy, margin)
    exponent = -(w / w0) * (counts[0] - counts[1])
    assert loss == pytest.approx(exponent if exponent > 700 else math.log1p(math.exp(exponent)), rel=1e-9, abs=1e-12)
    if w == 0 or counts[0] == counts[1]:
        assert loss == pytest.approx(math.log(2))


@given(log_probs, log_probs, lengths, betas, weights, w0s)
def test_a_pair_and_its_swap_share_a_likelihood_of_1(
    policy: list[float], reference: list[float], counts: list[int], beta: float, w: float, w0: float
) -> None:
    there = loss_of(MODPO(beta, w0), policy, reference, weighted_margin(length_margin(counts), weight(w)))
    swapped = weighted_margin(length_margin(counts[::-1]), weight(w))
    back = loss_of(MODPO(beta, w0), policy[::-1], reference[::-1], swapped)
    assert math.exp(-there) + math.exp(-back) == pytest.approx(1.0)


@given(log_probs, log_probs, lengths, betas, weights, w0s, st.floats(0.1, 10))
def test_beta_w_and_w0_scaled_together_change_nothing(
    policy: list[float], reference: list[float], counts: list[int], beta: float, w: float, w0: float, scale: float
) -> None:
    plain, scaled = (
        loss_of(
            MODPO(by * beta, by * w0),
            policy,
            reference,
            weighted_margin(length_margin(counts), weight(by * w)),
        )
        for by in (1.0, scale)
    )
    assert plain == pytest.approx(scaled, rel=1e-9, abs=1e-12)


def test_is_a_pairwise_objective_with_a_reference() -> None:
    assert (MODPO().learns_from, MODPO().needs_reference, MODPO().w0) == ("pairs", True, 1.0)
    assert isinstance(MODPO(), PairwiseObjective)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"beta": -1}, "beta must be > 0, got -1 (config key objective.beta)"),
        ({"w0": 0.0}, "w0 must be > 0, got 0.0 (config key objective.w0)"),
        ({"w0": math.inf}, "w0 must be > 0, got inf (config key objective.w0)"),
    ],
)
def test_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        MODPO(**settings)
    assert str(refusal.value) == sentence


@given(st.floats(0.05, 1), st.floats(-5, 5), st.floats(-3, 3))
def test_both_weight_conventions_are_one_up_to_beta(w0: float, difference: float, margin: float) -> None:
    """(w0, w) at beta trains what (1, w / w0) trains at beta / w0: only the ratio of the weights and beta / w0 count."""
    tokens = torch.tensor([difference, 0.0], dtype=torch.float64)
    lengths = torch.ones(2, dtype=torch.long)
    pairs = PairLogProbs(LogProbs(tokens, lengths), LogProbs(torch.zeros_like(tokens), lengths), np.zeros(1, np.int64))
    weighed = torch.tensor([(1 - w0) * margin], dtype=torch.float64)
    convex = MODPO(beta=0.1, w0=w0).losses(pairs, weighed)
    fixed = MODPO(beta=0.1 / w0).losses(pairs, weighed / w0)
    torch.testing.assert_close(convex.loss, fixed.loss)
