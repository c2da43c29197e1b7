"""What is measured while training: pure functions, one value a pair or token."""

from jaxtyping import Float
from torch import Tensor


def accuracy(logit: Float[Tensor, " pair"]) -> Float[Tensor, " pair"]:
    """1 where the logit prefers the chosen completion, 0 where the rejected, 0.5 where it cannot tell.

    The same rule in training and in validation, so that an untrained policy (all logits 0) scores 0.5.
    """
    return (logit > 0).to(logit.dtype) + 0.5 * (logit == 0).to(logit.dtype)


def kl_divergence(
    policy: Float[Tensor, "token vocabulary"], reference: Float[Tensor, "token vocabulary"]
) -> Float[Tensor, " token"]:
    """KL(policy || reference) of the next token's distributions, from their logits, in nats."""
    log_p, log_q = policy.log_softmax(-1), reference.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)
