"""A model's log-probs of the completion tokens of a batch. Knows nothing of policies, references or losses."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from summpo.records import Batch, LogProbs


class _AtPositions:
    """A forward pre-hook on the LM head: only the hidden states that predict a completion token go through it."""

    def __init__(self, predicted_at: Int[Tensor, " token"]) -> None:
        self.predicted_at = predicted_at

    def __call__(self, head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (hidden,) = args
        return (hidden.flatten(0, 1)[self.predicted_at].unsqueeze(0),)


def completion_logits(model: nn.Module, batch: Batch) -> Float[Tensor, "token vocabulary"]:
    """The logits, float32, from which a causal language model predicts each of the batch's completion tokens.

    The prompt's positions never reach the LM head: its logits would be most of the memory of a summarisation batch.
    What the model does to its logits after the head (soft caps, scales) is kept, because its own forward runs.
    """
    head = model.get_output_embeddings()  # type: ignore[operator]
    handle = head.register_forward_pre_hook(_AtPositions(batch.predicted_at))
    try:
        logits = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask.to(batch.input_ids.dtype), use_cache=False
        ).logits
    finally:
        handle.remove()
    return logits.squeeze(0).float()


def completion_log_probs(model: nn.Module, batch: Batch) -> LogProbs:
    """Log-probs of the batch's completion tokens under a causal language model, in float32."""
    return LogProbs(target_log_probs(completion_logits(model, batch), batch.targets), batch.lengths)


def target_log_probs(
    logits: Float[Tensor, "token vocabulary"], targets: Int[Tensor, " token"]
) -> Float[Tensor, " token"]:
    """log softmax(logits) at the targets: logit minus logsumexp, without a second [token, vocabulary] tensor."""
    return logits.gather(1, targets.unsqueeze(1)).squeeze(1) - torch.logsumexp(logits, dim=1)
