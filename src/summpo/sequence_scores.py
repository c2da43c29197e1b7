"""A reward model's scores of the sequences of a batch. Knows nothing of pairs or losses."""

from jaxtyping import Float
from torch import Tensor, nn

from summpo.records import Batch, Padded


def sequence_scores(model: nn.Module, batch: Batch) -> Float[Tensor, " sequence"]:
    """The one number, float32, that a sequence classifier with one output gives each prompt with its completion.

    The model's own forward reads it at the last token that is not padding, as plain transformers will: where a
    tokenizer pads with EOS, that is the completion's last token before EOS.
    """
    assert isinstance(batch.layout, Padded)
    mask = batch.layout.attention_mask.to(batch.input_ids.dtype)
    return model(input_ids=batch.input_ids, attention_mask=mask).logits.squeeze(1).float()
