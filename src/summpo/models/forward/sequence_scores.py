"""A reward model's scores of the sequences of a batch. Knows nothing of pairs or losses."""

from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from summpo.models.forward.families import HEAD
from summpo.models.forward.log_probs import inputs_of
from summpo.records import Batch, Padded, sent


def sequence_scores(model: nn.Module, batch: Batch) -> Float[Tensor, " sequence"]:
    """The one number, float32, that a sequence classifier with one output gives each prompt with its completion.

    Read at the last token that is not padding, as plain transformers does: where a tokenizer pads with EOS, that is the
    completion's last token before EOS. The head runs there alone, in float32: under bf16 autocast scores near 1.5 would
    be rounded to steps of 1/128, and make ties.

    Raises:
        ValueError: the batch shares prompts, and the model's attention would not see them.
    """
    at = read_at(batch, model.config.pad_token_id)  # type: ignore[union-attr]
    found: list[Tensor] = []

    def score(head: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        (hidden,) = args
        with torch.autocast(hidden.device.type, enabled=False):
            found.append(head.forward(hidden.flatten(0, 1)[at].float()))

    (head,) = (module for name, module in model.named_modules() if name == HEAD or name.endswith(f"model.{HEAD}"))
    handle = head.register_forward_hook(score)
    try:
        model(**inputs_of(model, batch))
    finally:
        handle.remove()
    return found[0].squeeze(1)


def read_at(batch: Batch, pad_id: int) -> Int[Tensor, " sequence"]:
    """Where in the flattened [row * position] each sequence's last token is that is not padding.

    A completion ends in EOS and has no other: it is the last token, or the one before.
    """
    of_sequences = batch.token_at[batch.lengths.cumsum(0) - 1]
    before = batch.predicted_at[of_sequences]
    last = before + 1 if isinstance(batch.layout, Padded) else _ends(batch)[of_sequences]
    is_padding = batch.input_ids.flatten()[last] == pad_id
    return torch.where(is_padding, before, last)


def _ends(batch: Batch) -> Int[Tensor, " distinct"]:
    """Where, in a row that shares prompts, the completion ends to which each distinct token belongs."""
    assert not isinstance(batch.layout, Padded)
    ends, tokens, end = [], [], 0
    for group in batch.layout.groups:
        ends += list(accumulate(group.completions, initial=end + group.prompt))[1:]
        tokens += group.completions
        end = ends[-1]
    last = torch.tensor(ends).repeat_interleave(torch.tensor(tokens)) - 1
    return sent([last], batch.targets.device)[0]
