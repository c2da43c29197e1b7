"""The losses: pure functions of tensors, one value a pair or token; the caller averages.

All pairwise objectives are one form: a reward of each completion, a margin, a link.

    logit = ((reward_chosen - reward_rejected) - margin) / w0        loss = link(logit)

Sign: a positive logit prefers the chosen completion. Log-probs are natural and summed over completion tokens unless a
name says mean. Nothing here knows of models, batches or configuration.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


def implicit_reward(
    policy: Float[Tensor, " sequence"], reference: Float[Tensor, " sequence"], beta: float
) -> Float[Tensor, " sequence"]:
    """The reward that a policy expresses: beta * (log pi - log ref), in nats times beta. DPO, 2305.18290 eq. 5."""
    return beta * (policy - reference)


def weighted_margin(margins: Float[Tensor, "pair reward"], weights: Float[Tensor, " reward"]) -> Float[Tensor, " pair"]:
    """w . m: the margin rewards' differences (chosen minus rejected), weighed and added. MODPO, 2310.03708 eq. 11."""
    return margins @ weights


def margin_logit(
    reward_chosen: Float[Tensor, " pair"],
    reward_rejected: Float[Tensor, " pair"],
    margin: Float[Tensor, " pair"],
    w0: float,
) -> Float[Tensor, " pair"]:
    """The argument of the link: ((r_chosen - r_rejected) - w . m) / w0. MODPO, 2310.03708 eq. 11.

    With w0 = 1 and no margin it is DPO's (2305.18290 eq. 7). With the margin reward "minus the length" and weight w it
    is R-DPO's with alpha = w (2403.19159 eq. 9).
    """
    return ((reward_chosen - reward_rejected) - margin) / w0


def sigmoid_link(logit: Float[Tensor, " pair"]) -> Float[Tensor, " pair"]:
    """-log sigmoid(logit): the negative log-likelihood of the choice under Bradley-Terry. DPO, 2305.18290 eq. 7."""
    return -logsigmoid(logit)


def smoothed_sigmoid_link(logit: Float[Tensor, " pair"], label_smoothing: float) -> Float[Tensor, " pair"]:
    """Conservative DPO: -(1 - e) log sigmoid(logit) - e log sigmoid(-logit), e the share of flipped labels, [0, 0.5).

    Source: 2305.18290, the authors' note on conservative DPO; 2403.00409 eq. 6.
    """
    return -(1 - label_smoothing) * logsigmoid(logit) - label_smoothing * logsigmoid(-logit)


def negative_log_likelihood(log_probs: Float[Tensor, " token"]) -> Float[Tensor, " token"]:
    """SFT: -log pi of each completion token. The caller takes the mean over tokens, not over rows."""
    return -log_probs
