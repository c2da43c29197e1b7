"""What is measured of a batch of pairs: pure functions, one value a pair."""

from jaxtyping import Float
from torch import Tensor


def accuracy(logit: Float[Tensor, " pair"]) -> Float[Tensor, " pair"]:
    """1 where the logit prefers the chosen completion, 0 where the rejected, 0.5 where it cannot tell.

    The same rule in training and in validation, so that an untrained policy (all logits 0) scores 0.5.
    """
    return (logit > 0).to(logit.dtype) + 0.5 * (logit == 0).to(logit.dtype)
