"""A reward model's scores of the sequences of a batch. Knows nothing of pairs or losses."""

from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from summpo.families import HEAD
from summpo.records import Batch, Padded, SharedPrefix


def sequence_scores(model: nn.Module, batch: Batch) -> Float[Tensor, " sequence"]:
    """The one number, float32, that a sequence classifier with one output gives each prompt with its completion.

    Read at the last token that is not padding, as plain transformers will: where a tokenizer pads with EOS, that is the
    completion's last token before EOS. The model's own forward looks for it in padded rows; in a row that shares
    prompts it would find one of them all, so the head's output is taken where each completion ends.
    """
    layout = batch.layout
    if isinstance(layout, Padded):
        mask = layout.attention_mask.to(batch.input_ids.dtype)
        return model(input_ids=batch.input_ids, attention_mask=mask).logits.squeeze(1).float()
    outputs: list[Tensor] = []
    (head,) = (module for name, module in model.named_modules() if name == HEAD or name.endswith(f"model.{HEAD}"))
    handle = head.register_forward_hook(lambda module, hidden, scores: outputs.append(scores))
    try:
        model(input_ids=batch.input_ids, position_ids=layout.position_ids, prompt_groups=layout.groups)
    finally:
        handle.remove()
    (scores,) = outputs
    return scores.flatten()[read_at(batch, layout, model.config.pad_token_id)].float()  # type: ignore[union-attr]


def read_at(batch: Batch, layout: SharedPrefix, pad_id: int) -> Int[Tensor, " sequence"]:
    """Where in the row each sequence's last token is that is not padding.

    A completion ends in EOS and has no other: it is the last token, or the one before.
    """
    ends, tokens, end = [], [], 0
    for group in layout.groups:
        starts = accumulate(group.completions, initial=end + group.prompt)
        ends += list(starts)[1:]
        tokens += group.completions
        end = ends[-1]
    last_tokens = torch.tensor(tokens, device=batch.targets.device).cumsum(0) - 1
    of_sequences = batch.token_at[batch.lengths.cumsum(0) - 1]
    last = torch.tensor(ends, device=batch.targets.device)[torch.searchsorted(last_tokens, of_sequences)] - 1
    is_padding = batch.input_ids.flatten()[last] == pad_id
    return torch.where(is_padding, batch.predicted_at[of_sequences], last)
