"""A model's log-probs of the completion tokens of a batch. Knows nothing of policies, references or losses."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from summpo.models.forward.families import SHARED_PREFIX, is_known
from summpo.records import Batch, LogProbs, Padded

LOGITS_AT_ONCE = {"cpu": 2**23, "cuda": 2**27}
"""How many logits of a frozen head exist at a time, by device: 32 MiB in float32, or 512 MiB where a GPU's launches
would cost more than its arithmetic; as on the CPU elsewhere."""


class _AtPositions:
    """A forward pre-hook on the LM head: of the hidden states only those that predict a completion token go through.

    It keeps them; and where they are all that is wanted, none goes through.
    """

    def __init__(self, predicted_at: Int[Tensor, " distinct"], runs_head: bool) -> None:
        self.predicted_at, self.runs_head = predicted_at, runs_head
        self.hidden: Tensor | None = None

    def __call__(self, head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (hidden,) = args
        self.hidden = hidden.flatten(0, 1)[self.predicted_at]
        return (self.hidden.unsqueeze(0) if self.runs_head else hidden[:, :0],)


def inputs_of(model: nn.Module, batch: Batch) -> dict[str, Any]:
    """What a model is called with to read a batch.

    A row with shared prompts comes with a mask that says nothing, of the four axes that transformers hands to the
    layers as it is: it would make one of the row's square for layers whose window is shorter than the row, and nobody
    would read it, for who sees whom is told by `shared_prefix`. So do padded rows of a family that is known: their
    padding stands behind what it pads, where causal attention sees none of it, and a kernel without a mask is faster.

    Raises:
        ValueError: the batch shares prompts, and the model's attention would not see them.
    """
    layout, ids, config = batch.layout, batch.input_ids, model.config
    knows = config._attn_implementation == SHARED_PREFIX  # type: ignore[union-attr]
    if isinstance(layout, Padded):
        width = ids.shape[1]
        window: Any = getattr(config, "sliding_window", None) or width
        if not knows or window < width:
            return {"input_ids": ids, "attention_mask": layout.attention_mask.to(ids.dtype)}
        row, positions = None, torch.arange(width, device=ids.device).unsqueeze(0)
    elif not knows:
        raise ValueError("this model's attention does not know shared prompts: completions would lose theirs")
    else:
        row, positions = layout, layout.position_ids
    return {
        "input_ids": ids,
        "attention_mask": ids.new_ones((1, 1, 1, 1), dtype=torch.bool),
        "position_ids": positions,
        "shared_prefix": row,
    }


def _run(model: nn.Module, batch: Batch, runs_head: bool) -> tuple[Tensor, Tensor]:
    """The hidden states [distinct, hidden] before the LM head, and the logits where it runs."""
    at_positions = _AtPositions(batch.predicted_at, runs_head)
    handle = model.get_output_embeddings().register_forward_pre_hook(at_positions)  # type: ignore[operator]
    try:
        logits = model(**inputs_of(model, batch), use_cache=False).logits
    finally:
        handle.remove()
    assert at_positions.hidden is not None
    return at_positions.hidden, logits


def completion_logits(model: nn.Module, batch: Batch) -> Float[Tensor, "distinct vocabulary"]:
    """The logits, float32, from which a causal language model predicts each of the batch's distinct completion tokens.

    The prompt's positions never reach the LM head: its logits would be most of the memory of a summarisation batch.
    What the model does to its logits after the head (soft caps, scales) is kept, because its own forward runs.
    """
    _, logits = _run(model, batch, runs_head=True)
    return logits.squeeze(0).float()


def completion_log_probs(model: nn.Module, batch: Batch, collisions: bool = False) -> LogProbs:
    """Log-probs of the batch's completion tokens under a causal language model, in float32.

    Under a frozen head whose outputs are the logits, these are made and used a chunk at a time (`_FrozenHead`).

    Args:
        collisions: also how likely two draws of each token are to agree (`LogProbs.log_collisions`).
    """
    of_collisions = None
    if has_frozen_head(model):
        head = model.get_output_embeddings()  # type: ignore[operator]
        hidden, _ = _run(model, batch, runs_head=False)
        values, of_collisions = _FrozenHead.apply(hidden, head.weight, head.bias, batch.targets, collisions)
    else:
        logits = completion_logits(model, batch)
        values = target_log_probs(logits, batch.targets)
        if collisions:
            of_collisions = log_collisions(logits)
    return LogProbs(
        values[batch.token_at], batch.lengths, None if of_collisions is None else of_collisions[batch.token_at]
    )


def has_frozen_head(model: nn.Module) -> bool:
    """Whether the LM head is one plain linear layer, whole in this process, that does not train, and no more follows.

    Not where an adapter stands on it, where all weights train, where a strategy has cut it up, or in another family.
    """
    head = model.get_output_embeddings()  # type: ignore[operator]
    return (
        is_known(model)
        and type(head) is nn.Linear
        and head.weight.shape == (head.out_features, head.in_features)
        and not any(weight.requires_grad for weight in head.parameters())
    )


def target_log_probs(
    logits: Float[Tensor, "distinct vocabulary"], targets: Int[Tensor, " distinct"]
) -> Float[Tensor, " distinct"]:
    """log softmax(logits) at the targets: logit minus logsumexp, without a second [distinct, vocabulary] tensor."""
    return logits.gather(1, targets.unsqueeze(1)).squeeze(1) - torch.logsumexp(logits, dim=1)


@torch.no_grad()
def log_collisions(logits: Float[Tensor, "distinct vocabulary"]) -> Float[Tensor, " distinct"]:
    """log sum_v p_v^2 of softmax(logits): the log-prob that two draws agree. No gradient."""
    return 2 * torch.linalg.vector_norm(logits.softmax(dim=1), dim=1).log()


class _FrozenHead(torch.autograd.Function):
    """log softmax(hidden W^T + bias) at the targets, with its gradient taken on the way forward.

    A token's log-prob depends on its own hidden state h alone, d log p / d h = W[target] - p W, and W does not train:
    what the backward pass needs is one vector a token. Neither pass holds more than `LOGITS_AT_ONCE` logits, and the
    head is multiplied with as often as in the plain way.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Float[Tensor, "distinct hidden"],
        weight: Float[Tensor, "vocabulary hidden"],
        bias: Float[Tensor, " vocabulary"] | None,
        targets: Int[Tensor, " distinct"],
        collisions: bool,
    ) -> tuple[Float[Tensor, " distinct"], Float[Tensor, " distinct"] | None]:
        """[distinct] log-probs, float32, and beside them `log_collisions` where asked for, which have no gradient."""
        device = hidden.device.type
        if torch.is_autocast_enabled(device):  # once, and not for every chunk anew
            weight = weight.to(torch.get_autocast_dtype(device))
        log_probs = torch.empty(len(hidden), device=hidden.device)
        agree = torch.empty_like(log_probs) if collisions else None
        slopes = torch.empty_like(hidden, dtype=weight.dtype) if ctx.needs_input_grad[0] else None
        rows = max(1, LOGITS_AT_ONCE.get(device, LOGITS_AT_ONCE["cpu"]) // len(weight))
        for first in range(0, len(hidden), rows):
            chunk = slice(first, first + rows)
            at = targets[chunk].unsqueeze(1)
            logits = linear(hidden[chunk].to(weight.dtype), weight, bias).float()
            logits -= logits.amax(dim=1, keepdim=True)
            of_target = logits.gather(1, at)
            sums = logits.exp_().sum(dim=1, keepdim=True)
            log_probs[chunk] = (of_target - sums.log()).squeeze(1)
            if agree is not None:
                agree[chunk] = 2 * (torch.linalg.vector_norm(logits, dim=1) / sums.squeeze(1)).log()
            if slopes is not None:
                slope = logits.div_(-sums)  # minus the probabilities
                slope.scatter_add_(1, at, torch.ones_like(of_target))
                slopes[chunk] = slope.to(weight.dtype) @ weight
        ctx.hidden_dtype = hidden.dtype
        ctx.save_for_backward(slopes)
        if agree is not None:
            ctx.mark_non_differentiable(agree)
        return log_probs, agree

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, of_log_probs: Tensor, of_collisions: Tensor | None
    ) -> tuple[Tensor, None, None, None, None]:
        """The gradient of the hidden states; the collisions have none to pass on."""
        (slopes,) = ctx.saved_tensors
        return (of_log_probs.unsqueeze(1) * slopes).to(ctx.hidden_dtype), None, None, None, None
