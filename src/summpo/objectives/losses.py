"""The losses: pure functions of tensors, one value a pair or token; the caller averages.

All pairwise objectives are one form: a reward of each completion, a margin, a link. `sequence` is chosen_0 .. chosen_n,
rejected_0 .. rejected_n.

    logit = ((reward_chosen - reward_rejected) - margin) / w0        loss = link(logit)

Sign: a positive logit prefers the chosen completion. Log-probs are natural and summed over completion tokens unless a
name says mean. Nothing here knows of models, batches or configuration.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

LN_2 = math.log(2)
LARGEST_EXPONENT = 20.0
"""Bound on the exponent of a probability's power: e^20 and its square are numbers of float32."""


def implicit_reward(
    policy: Float[Tensor, " sequence"], reference: Float[Tensor, " sequence"], beta: float
) -> Float[Tensor, " sequence"]:
    """The reward that a policy expresses: beta * (log pi - log ref), in nats times beta. DPO, 2305.18290 eq. 5."""
    return beta * (policy - reference)


def weighted_margin(margins: Float[Tensor, "pair reward"], weights: Float[Tensor, " reward"]) -> Float[Tensor, " pair"]:
    """w . m: the margin rewards' differences (chosen minus rejected), weighed and added. MODPO, 2310.03708 eq. 11.

    In float32 under autocast too, which makes matrix products bfloat16: that would round lengths above 256.
    """
    return (margins * weights).sum(dim=1)


def margin_logit(
    rewards: Float[Tensor, " sequence"], margin: Float[Tensor, " pair"], w0: float = 1.0
) -> Float[Tensor, " pair"]:
    """The argument of the link: ((r_chosen - r_rejected) - w . m) / w0. MODPO, 2310.03708 eq. 11.

    With w0 = 1 and no margin it is DPO's (2305.18290 eq. 7). With the margin reward "minus the length" and weight w it
    is R-DPO's with alpha = w (2403.19159 eq. 9).
    """
    chosen, rejected = rewards.chunk(2)
    return ((chosen - rejected) - margin) / w0


def sigmoid_link(logit: Float[Tensor, " pair"]) -> Float[Tensor, " pair"]:
    """-log sigmoid(logit): the negative log-likelihood of the choice under Bradley-Terry. DPO, 2305.18290 eq. 7."""
    return -logsigmoid(logit)


def smoothed_sigmoid_link(logit: Float[Tensor, " pair"], label_smoothing: float) -> Float[Tensor, " pair"]:
    """Conservative DPO: -(1 - e) log sigmoid(logit) - e log sigmoid(-logit), e the share of flipped labels, [0, 0.5).

    Source: 2305.18290, the authors' note on conservative DPO; 2403.00409 eq. 6.
    """
    return -(1 - label_smoothing) * logsigmoid(logit) - label_smoothing * logsigmoid(-logit)


def robust_sigmoid_link(logit: Float[Tensor, " pair"], label_smoothing: float) -> Float[Tensor, " pair"]:
    """Robust DPO: ((1 - e) (-log sigmoid(logit)) - e (-log sigmoid(-logit))) / (1 - 2 e), e in [0, 0.5).

    Unbiased: over labels of which a share e is flipped, its mean is that of the plain link over the true ones. Below 0
    where the chosen completion is already preferred by far. Source: 2403.00409.
    """
    right, flipped = -logsigmoid(logit), -logsigmoid(-logit)
    return ((1 - label_smoothing) * right - label_smoothing * flipped) / (1 - 2 * label_smoothing)


def hinge_link(logit: Float[Tensor, " pair"]) -> Float[Tensor, " pair"]:
    """max(0, 1 - logit). SLiC-HF, 2305.10425."""
    return (1 - logit).relu()


def squared_link(logit: Float[Tensor, " pair"], beta: float) -> Float[Tensor, " pair"]:
    """((logit - 1/2) / beta)^2; for logit = beta D it is (D - 1 / (2 beta))^2. IPO, 2310.12036 eq. 17."""
    return ((logit - 0.5) / beta).square()


def shortfall(policy: Float[Tensor, " sequence"], reference: Float[Tensor, " sequence"]) -> Float[Tensor, " sequence"]:
    """max(0, log ref - log pi): nats by which the policy made a completion unlikelier. DPOP, 2402.13228."""
    return (reference - policy).relu()


def log_odds(mean_log_probs: Float[Tensor, " sequence"]) -> Float[Tensor, " sequence"]:
    """log(p / (1 - p)) with p = exp(mean log-prob), the geometric mean of the tokens' probabilities.

    p = 1 has the odds of the largest p that the dtype tells from 1, and no slope: what the slope is multiplied with on
    its way to the weights, 1 - p, is 0 there. Source: ORPO, 2403.07691 eq. 4.
    """
    mean_log_probs = mean_log_probs.clamp(max=-torch.finfo(mean_log_probs.dtype).eps)
    near_1 = mean_log_probs > -LN_2  # where 1 - exp(x) cancels, expm1 does not; and the other way round
    of_near = torch.where(near_1, mean_log_probs, -LN_2)
    of_far = torch.where(near_1, -LN_2, mean_log_probs)
    log_1_minus_p = torch.where(near_1, (-of_near.expm1()).log(), (-of_far.exp()).log1p())
    return mean_log_probs - log_1_minus_p


def power_reward(mean_log_probs: Float[Tensor, " sequence"], alpha: float) -> Float[Tensor, " sequence"]:
    """(1 - p^-alpha) / alpha with p = exp(mean log-prob); at alpha = 0 its limit, the mean log-prob itself.

    Where p^-alpha is above e^20 the curve goes on as its tangent, so that no p overflows. Source: AlphaPO, 2501.03884.
    """
    if alpha == 0:
        return mean_log_probs
    exponent = -alpha * mean_log_probs
    on_curve = exponent.clamp(max=LARGEST_EXPONENT)
    return -(on_curve.expm1() + on_curve.exp() * (exponent - on_curve)) / alpha


def rewards_less_margin(
    rewards: Float[Tensor, " sequence"], margin: Float[Tensor, " pair"]
) -> Float[Tensor, " sequence"]:
    """What each completion is worth with its half of the margin: r_chosen - w . m / 2, r_rejected + w . m / 2.

    For links that look at each completion alone. The difference of the two is `margin_logit`, and halves are the one
    split that treats a pair and its swap alike: of a margin the difference alone is known.
    """
    return rewards - torch.cat([margin, -margin]) / 2


def apo_zero_link(rewards: Float[Tensor, " sequence"]) -> Float[Tensor, " pair"]:
    """(1 - sigmoid(r_chosen)) + sigmoid(r_rejected): the chosen up, the rejected down. APO, 2408.06266 eq. 7."""
    chosen, rejected = rewards.chunk(2)
    return (-chosen).sigmoid() + rejected.sigmoid()


def apo_down_link(rewards: Float[Tensor, " sequence"]) -> Float[Tensor, " pair"]:
    """sigmoid(r_chosen) + (1 - sigmoid(r_chosen - r_rejected)): both down, the rejected more. APO, 2408.06266 eq. 8."""
    chosen, rejected = rewards.chunk(2)
    return chosen.sigmoid() + (rejected - chosen).sigmoid()


def probability_of_pair(mean_log_probs: Float[Tensor, " sequence"]) -> Float[Tensor, " pair"]:
    """p(chosen) p(rejected) with p = exp(mean log-prob), without a gradient. WPO, 2406.11827 eq. 2."""
    chosen, rejected = mean_log_probs.detach().chunk(2)
    return (chosen + rejected).exp()


def labelled_reward(
    log_ratios: Float[Tensor, " row"], margin: Float[Tensor, " row"], beta: float, w0: float = 1.0
) -> Float[Tensor, " row"]:
    """What a completion is worth to whom the labels are from: (beta (log pi - log ref) - w . (m - mean of m)) / w0.

    As in MODPO (2310.03708 eq. 9 to 11) the policy that is best for w0 r + w . m, r what the labels are about and m the
    margin rewards, has beta log(pi / ref) = w0 r + w . m - c(x), so r = (beta log(pi / ref) - w . m + c(x)) / w0. Of a
    pair c(x) cancels. Here r is compared with a reference point, what the policy's own summaries are worth: the mean of
    r over y ~ pi(x), which holds the same c(x),

        z(x) = (beta KL(pi || ref) - w . (mean of m over pi)) / w0 + c(x) / w0

    so that r - z = ((beta log(pi / ref) - w . (m - mean of m)) - beta KL) / w0: a margin reward counts by how far it is
    from its mean, and a constant added to it changes nothing. The mean over the policy's own summaries is taken to be
    that over the training rows, a frozen number, from which a policy that grows shorter moves away; KL is beta's part
    of the reference point. Without margins and with w0 = 1 it is KTO's implicit reward (2402.01306 eq. 7).
    """
    return (beta * log_ratios - margin) / w0


def labelled_logit(
    rewards: Float[Tensor, " row"], point: Float[Tensor, ""], labels: Bool[Tensor, " row"]
) -> Float[Tensor, " row"]:
    """How clearly a reward is on its label's side of the reference point: r - z where desirable, z - r where not."""
    return torch.where(labels, rewards - point, point - rewards)


def negative_log_likelihood(log_probs: Float[Tensor, " token"]) -> Float[Tensor, " token"]:
    """SFT: -log pi of each completion token. The caller takes the mean over tokens, not over rows."""
    return -log_probs
