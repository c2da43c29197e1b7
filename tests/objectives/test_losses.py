"""The losses: one example by hand each, the laws that tie them together, gradients against finite differences."""

import math
from collections.abc import Callable

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from summpo.objectives.losses import (
    apo_down_link,
    apo_zero_link,
    hinge_link,
    implicit_reward,
    log_odds,
    margin_logit,
    negative_log_likelihood,
    power_reward,
    probability_of_pair,
    rewards_less_margin,
    robust_sigmoid_link,
    sigmoid_link,
    smoothed_sigmoid_link,
    squared_link,
    weighted_margin,
)

LN2 = math.log(2)
rewards = st.floats(-50, 50)
margins = st.floats(-500, 500)
positive = st.floats(0.01, 10)


def pair(value: float) -> Tensor:
    """Float64 [pair], of one pair."""
    return torch.tensor([value], dtype=torch.float64)


def logit_of(chosen: float, rejected: float, margin: float = 0.0, w0: float = 1.0) -> Tensor:
    return margin_logit(torch.cat([pair(chosen), pair(rejected)]), pair(margin), w0)


class TestByHand:
    def test_sigmoid_link(self) -> None:
        """logit = ln 3: sigmoid = 3 / (3 + 1) = 0.75, so the loss is -ln 0.75 = ln 4 - ln 3 = 0.28768.

        Turned round, logit = -ln 3: sigmoid = 0.25, loss = ln 4 = 1.38629.
        """
        losses = sigmoid_link(torch.tensor([math.log(3), -math.log(3)]))
        assert losses.tolist() == pytest.approx([0.287682, 1.386294], abs=1e-6)

    def test_smoothed_sigmoid_link(self) -> None:
        """logit = ln 3, e = 0.1: 0.9 * 0.28768 (label right) + 0.1 * 1.38629 (label flipped) = 0.25891 + 0.13863 = 0.39754."""
        assert smoothed_sigmoid_link(pair(math.log(3)), 0.1).item() == pytest.approx(0.397543, abs=1e-6)

    def test_margin_logit_with_two_rewards(self) -> None:
        """beta = 0.1, log-probs (chosen, rejected): policy (-10, -14), reference (-12, -13).

        implicit rewards   0.1 * (-10 + 12) = 0.2   and   0.1 * (-14 + 13) = -0.1;   difference 0.3
        margins            length -30 + 20 = -10,   coverage 0.8 - 0.5 = 0.3
        w . m              0.02 * -10 + 0.5 * 0.3 = -0.2 + 0.15 = -0.05
        logit, w0 = 0.5    (0.3 - -0.05) / 0.5 = 0.7
        loss               ln(1 + exp(-0.7)) = ln 1.496585 = 0.403186
        """
        reward = implicit_reward(torch.tensor([-10.0, -14.0]), torch.tensor([-12.0, -13.0]), 0.1)
        assert reward.tolist() == pytest.approx([0.2, -0.1])
        margin = weighted_margin(torch.tensor([[-10.0, 0.3]]), torch.tensor([0.02, 0.5]))
        assert margin.tolist() == pytest.approx([-0.05])
        logit = margin_logit(reward, margin, 0.5)
        assert logit.tolist() == pytest.approx([0.7])
        assert sigmoid_link(logit).tolist() == pytest.approx([0.403186], abs=1e-6)

    def test_negative_log_likelihood(self) -> None:
        """Two rows, of one token (probability 1/2) and of two (1/4, 1/8): (1, 2, 3) ln 2, mean over tokens 2 ln 2.

        The mean over rows would be (1 + 2.5) / 2 ln 2 = 1.75 ln 2.
        """
        losses = negative_log_likelihood(torch.tensor([1 / 2, 1 / 4, 1 / 8]).log())
        assert losses.tolist() == pytest.approx([LN2, 2 * LN2, 3 * LN2])
        assert losses.mean().item() == pytest.approx(2 * LN2)

    def test_rewards_less_margin(self) -> None:
        """Rewards 3 and 1, w . m = 0.5: each bears half, 2.75 and 1.25, and their difference is the logit, 1.5."""
        rewards = torch.tensor([3.0, 1.0])
        chosen, rejected = rewards_less_margin(rewards, torch.tensor([0.5])).tolist()
        assert (chosen, rejected) == (2.75, 1.25)
        assert margin_logit(rewards, torch.tensor([0.5])).item() == chosen - rejected

    def test_apo_links(self) -> None:
        """Rewards ln 3 and -ln 4: sigmoids 3/4 and 1/5, of the difference ln 12: 12/13.

        zero: 1 - 3/4 + 1/5 = 0.45;   down: 3/4 + 1 - 12/13 = 0.826923
        """
        rewards = torch.tensor([math.log(3), -math.log(4)])
        assert apo_zero_link(rewards).item() == pytest.approx(0.45)
        assert apo_down_link(rewards).item() == pytest.approx(0.826923, abs=1e-6)

    def test_power_reward(self) -> None:
        """p = 1/4: (1 - 2) / 0.5 = -2 at alpha = 1/2, (1 - 1/4) / -1 = -0.75 at alpha = -1, ln 1/4 at 0."""
        mean = torch.tensor([math.log(1 / 4)])
        found = [power_reward(mean, alpha).item() for alpha in (0.5, -1.0, 0.0)]
        assert found == pytest.approx([-2.0, -0.75, -2 * LN2])

    def test_power_reward_far_out_is_a_tangent(self) -> None:
        """alpha = 1, mean -25: beyond e^20 the line (1 - e^20) - 5 e^20, as steep as the curve is at -20."""
        mean = torch.tensor([-25.0], dtype=torch.float64, requires_grad=True)
        reward = power_reward(mean, 1.0)
        reward.backward()
        assert reward.item() == pytest.approx(1 - 6 * math.exp(20))
        assert mean.grad is not None and mean.grad.item() == pytest.approx(math.exp(20))

    def test_log_odds(self) -> None:
        """p = 3/4: ln 3. p = 1 in float32 has the odds of 1 - 2^-23, ln(2^23 - 1) = 15.942385."""
        assert log_odds(torch.tensor([math.log(3 / 4), 0.0])).tolist() == pytest.approx(
            [math.log(3), 15.942385], abs=1e-5
        )

    def test_probability_of_pair(self) -> None:
        """1/2 and 1/8: 1/16, and no gradient."""
        means = torch.tensor([1 / 2, 1 / 8]).log().requires_grad_()
        weight = probability_of_pair(means)
        assert weight.tolist() == pytest.approx([1 / 16])
        assert not weight.requires_grad


class TestLaws:
    @given(rewards, rewards, margins, positive)
    def test_a_swap_flips_the_sign(self, chosen: float, rejected: float, margin: float, w0: float) -> None:
        assert torch.equal(logit_of(chosen, rejected, margin, w0), -logit_of(rejected, chosen, -margin, w0))

    @given(rewards, rewards, margins, positive)
    def test_the_likelihoods_of_a_pair_and_its_swap_sum_to_1(
        self, chosen: float, rejected: float, margin: float, w0: float
    ) -> None:
        there = sigmoid_link(logit_of(chosen, rejected, margin, w0))
        back = sigmoid_link(logit_of(rejected, chosen, -margin, w0))
        assert (torch.exp(-there) + torch.exp(-back)).item() == pytest.approx(1.0, abs=1e-12)

    @given(st.lists(st.integers(-2000, 2000), min_size=2, max_size=2), st.integers(-10_000, 10_000), st.floats(0, 1))
    def test_a_constant_added_to_both_margins_changes_nothing(
        self, lengths: list[int], constant: int, w: float
    ) -> None:
        chosen, rejected = (torch.tensor([[float(length)]]) for length in lengths)
        weights = torch.tensor([w])
        moved = weighted_margin((chosen + constant) - (rejected + constant), weights)
        assert torch.equal(weighted_margin(chosen - rejected, weights), moved)

    def test_autocast_rounds_no_margin(self) -> None:
        """301 tokens at 0.05 and 0.04 at 0.3: 15.062; in bfloat16 it would be 15."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = weighted_margin(torch.tensor([[301.0, 0.04]]), torch.tensor([0.05, 0.3]))
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(15.062, abs=1e-5)

    @given(st.floats(-1e4, 0), st.floats(-1e4, 0), positive, positive)
    def test_policy_as_reference_without_margin_gives_ln_2(
        self, chosen: float, rejected: float, beta: float, w0: float
    ) -> None:
        same = torch.tensor([chosen, rejected])
        logit = margin_logit(implicit_reward(same, same, beta), torch.zeros(1), w0)
        assert sigmoid_link(logit).item() == pytest.approx(LN2, abs=1e-7)

    @given(rewards, rewards, st.lists(margins, min_size=0, max_size=3), positive)
    def test_w_0_is_no_margin(self, chosen: float, rejected: float, values: list[float], w0: float) -> None:
        weighed = weighted_margin(torch.tensor([values], dtype=torch.float64), torch.zeros(len(values)).double())
        assert torch.equal(
            margin_logit(torch.cat([pair(chosen), pair(rejected)]), weighed, w0), logit_of(chosen, rejected, 0.0, w0)
        )

    @given(rewards, rewards, margins, st.floats(0, 1), positive, positive, positive)
    def test_beta_w_and_w0_scaled_together_change_nothing(
        self, policy: float, reference: float, difference: float, w: float, beta: float, w0: float, scale: float
    ) -> None:
        def logit(by: float) -> float:
            reward = implicit_reward(pair(policy), pair(reference), by * beta)
            margin = weighted_margin(pair(difference)[None], pair(by * w))
            return margin_logit(torch.cat([reward, 0 * reward]), margin, by * w0).item()

        assert logit(scale) == pytest.approx(logit(1.0), rel=1e-9, abs=1e-9)

    @given(rewards)
    def test_no_smoothing_is_the_plain_link(self, logit: float) -> None:
        assert torch.equal(smoothed_sigmoid_link(pair(logit), 0.0), sigmoid_link(pair(logit)))

    @given(st.floats(0.01, 0.49), rewards)
    def test_smoothing_is_least_where_the_likelihood_is_the_share_of_right_labels(self, e: float, logit: float) -> None:
        best = pair(math.log((1 - e) / e))
        assert smoothed_sigmoid_link(best, e).item() <= smoothed_sigmoid_link(pair(logit), e).item() + 1e-12

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("link", [
        sigmoid_link, lambda logit: smoothed_sigmoid_link(logit, 0.1), lambda logit: robust_sigmoid_link(logit, 0.4),
        hinge_link, lambda logit: squared_link(logit, 0.01), apo_zero_link, apo_down_link,
    ])  # fmt: skip
    def test_far_logits_stay_finite(self, link: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
        logit = torch.tensor([-1e12, -1e4, 0, 0, 1e4, 1e12], dtype=dtype, requires_grad=True)
        link(logit).sum().backward()
        assert torch.isfinite(link(logit)).all()
        assert logit.grad is not None
        assert torch.isfinite(logit.grad).all()


class TestGradients:
    """Against finite differences, in float64."""

    LOGITS = torch.tensor([-3.0, -0.5, 0.0, 0.2, 4.0], dtype=torch.float64, requires_grad=True)

    def test_links(self) -> None:
        assert torch.autograd.gradcheck(sigmoid_link, (self.LOGITS,))
        assert torch.autograd.gradcheck(lambda logit: smoothed_sigmoid_link(logit, 0.2), (self.LOGITS,))
        assert torch.autograd.gradcheck(negative_log_likelihood, (self.LOGITS,))

    def test_from_log_probs_to_the_loss(self) -> None:
        generator = torch.Generator().manual_seed(0)
        policy = torch.randn(6, dtype=torch.float64, generator=generator).requires_grad_()
        reference, margin = (
            torch.randn(6, dtype=torch.float64, generator=generator),
            torch.tensor([-9.0, 0.0, 4.0]).double(),
        )

        def loss(policy: Tensor) -> Tensor:
            return sigmoid_link(margin_logit(implicit_reward(policy, reference, 0.3), 0.1 * margin, 0.5))

        assert torch.autograd.gradcheck(loss, (policy,))

    def test_the_slope_of_the_link_is_minus_the_probability_of_the_other_choice(self) -> None:
        (slope,) = torch.autograd.grad(sigmoid_link(self.LOGITS).sum(), self.LOGITS)
        assert torch.allclose(slope, -torch.sigmoid(-self.LOGITS))


def test_rewards_of_another_number_than_pairs_are_refused() -> None:
    """[pair, 1] minus [pair] would broadcast to [pair, pair] and train on a wrong loss."""
    with pytest.raises(jaxtyping.TypeCheckError):
        margin_logit(torch.zeros(6, 1), torch.zeros(3), 1.0)
    with pytest.raises(jaxtyping.TypeCheckError):
        margin_logit(torch.zeros(6), torch.zeros(3, 1), 1.0)
    with pytest.raises(jaxtyping.TypeCheckError):
        margin_logit(torch.zeros(6), torch.zeros(1), 1.0)
