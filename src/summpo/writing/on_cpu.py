"""One batch of completions on the CPU, where reading and copying cost as much as writing; the tokens of `generate`.

Plain transformers pads every prompt to the batch's longest, copies all keys and values to append one token, and goes on
with rows that have ended until the last has. Here a few prompts are read at a time, a long one in stretches, in
transformers' own StaticCache a step writes its keys and values in place, and a row that has ended leaves the batch.
"""

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel, StaticCache
from transformers.cache_utils import DynamicLayer
from transformers.generation import TemperatureLogitsWarper, TopPLogitsWarper

from summpo.models.forward.families import SHARED_PREFIX
from summpo.writing.decoding import Decoding

TOKENS_READ_AT_ONCE = 512
"""Tokens read in a forward of several prompts, padding included. More only adds padding: at this size a matrix product
is at its best."""


def is_proven_model(model: PreTrainedModel) -> bool:
    """Whether the model, or the one under its adapter, is of the kind whose tokens here are those of plain `generate`.

    That is: on the CPU, transformers' own code, all layers with full attention, inputs prepared as transformers
    prepares them for most models, and rotary angles that depend on no other row of the batch.
    """
    base: Any = base_of(model)
    most: Any = GenerationMixin
    inputs = signature(base.forward).parameters
    rope = getattr(base.config, "rope_parameters", None) or {}
    return (
        base.device.type == "cpu"
        and type(base).__module__.startswith("transformers.")
        and base.config._attn_implementation in (SHARED_PREFIX, "sdpa", "eager")
        and type(base).prepare_inputs_for_generation is most.prepare_inputs_for_generation
        and inputs.keys() >= {"attention_mask", "position_ids", "past_key_values", "logits_to_keep"}
        and not base.config.is_encoder_decoder
        and {type(layer) for layer in DynamicCache(config=base.config).layers} == {DynamicLayer}
        and rope.get("rope_type") not in ("dynamic", "longrope")
    )


def base_of(model: PreTrainedModel) -> PreTrainedModel:
    """The model itself, or the one under its adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator, return-value]


def complete(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], decoding: Decoding, *, end_ids: Sequence[int], pad_id: int
) -> list[list[int]]:
    """What the model writes after each prompt: up to its end, which is the last, or max_new_tokens without one.

    Args:
        end_ids: the tokens that end a completion.
        prompts: the longest first; what is among them several times is read once.
    """
    width = len(prompts[0])
    cache = StaticCache(config=base_of(model).config, max_cache_len=width + decoding.max_new_tokens)
    logits = prefill(model, prompts, cache, pad_id, decoding.prefill_tokens)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    mask = (torch.arange(cache.get_max_length()) >= width - lengths[:, None]).long()
    ends = torch.tensor(end_ids)
    written: list[list[int]] = [[] for _ in prompts]
    writing = torch.arange(len(prompts))  # the prompt of each row
    for step in range(decoding.max_new_tokens):
        tokens = pick(logits, decoding)
        for prompt, token in zip(writing.tolist(), tokens.tolist(), strict=True):
            written[prompt].append(token)
        goes_on = ~torch.isin(tokens, ends)
        if step + 1 == decoding.max_new_tokens or not goes_on.any():
            break
        rows = keep(goes_on, cache)
        writing, tokens, lengths, mask = writing[rows], tokens[rows], lengths[rows], mask[rows]
        seen = mask[:, : width + step + 1]
        logits = next_logits(model, tokens[:, None], seen, (lengths + step)[:, None], cache)
    return written


def prefill(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], cache: StaticCache, pad_id: int, at_once: int
) -> Tensor:
    """float32 [prompt, token]: the logits after each prompt. Fills the cache, a row each, all ending at one place.

    Args:
        at_once: tokens in a forward, at most.
    """
    width = len(prompts[0])
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    source = torch.tensor([distinct.index(tuple(prompt)) for prompt in prompts])
    logits, first = [], 0
    for group in read_together(distinct, min(TOKENS_READ_AT_ONCE, at_once)):
        ids, mask = left_pad(group, pad_id)
        part = DynamicCache(config=base_of(model).config)
        logits.append(read_in_stretches(model, ids, mask, part, max(1, at_once // len(group))))
        rows = ((source >= first) & (source < first + len(group))).nonzero()[:, 0]
        layers: list[tuple[Any, Any]] = list(zip(cache.layers, part.layers, strict=True))
        for layer, own in layers:
            if not layer.is_initialized:
                layer.lazy_initialization(*(x[:1].expand(len(prompts), -1, -1, -1) for x in (own.keys, own.values)))
            layer.keys[rows, :, width - ids.shape[1] : width] = own.keys[source[rows] - first]
            layer.values[rows, :, width - ids.shape[1] : width] = own.values[source[rows] - first]
            layer.cumulative_length.fill_(width)
            own.keys = own.values = None  # layer by layer: a long prompt's are never there twice
        first += len(group)
    return torch.cat(logits)[source]


def read_in_stretches(model: PreTrainedModel, ids: Tensor, mask: Tensor, cache: Cache, stretch: int) -> Tensor:
    """float32 [prompt, token]: the logits after the prompts, of which `stretch` tokens each are read at a time.

    Args:
        ids, mask: int [prompt, position], padded on the left.
    """
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = torch.empty(0)
    for first in range(0, ids.shape[1], stretch):
        last = first + stretch
        logits = next_logits(model, ids[:, first:last], mask[:, :last], positions[:, first:last], cache)
    return logits


def read_together(prompts: Sequence[Sequence[int]], most: int) -> Iterator[Sequence[Sequence[int]]]:
    """The prompts, longest first, in groups that padded have no more than `most` tokens, or are one prompt."""
    while prompts:
        count = max(1, most // len(prompts[0]))
        yield prompts[:count]
        prompts = prompts[count:]


def left_pad(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Int [prompt, position] ids and their mask, padded on the left, so that every prompt ends where writing begins."""
    width = max(map(len, prompts))
    ids = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids), torch.tensor(mask)


def next_logits(model: PreTrainedModel, ids: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
    """float32 [row, token]: the logits after the last of `ids`; the cache grows by them.

    Args:
        mask: int [row, position] over what is in the cache and `ids`.
        positions: int, as `ids`: how many tokens stand before each.
    """
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1].float()


def pick(logits: Tensor, decoding: Decoding) -> Tensor:
    """int [row]: a token of each row, the likeliest or one that torch's seed decides."""
    if decoding.temperature == 0:
        return logits.argmax(-1)
    scores = TemperatureLogitsWarper(decoding.temperature)(None, logits)  # type: ignore[arg-type]
    if decoding.top_p < 1:
        scores = TopPLogitsWarper(decoding.top_p)(None, scores)  # type: ignore[arg-type]
    return torch.multinomial(scores.softmax(-1), 1)[:, 0]


def keep(goes_on: Tensor, cache: StaticCache) -> Tensor:
    """Takes the rows that do not go on from the cache; int [row]: which row stands in each place now.

    The last rows move into the places of those that leave, and the others stay: the cache is not copied.
    """
    count = int(goes_on.sum())
    free = (~goes_on[:count]).nonzero()[:, 0]
    movers = goes_on[count:].nonzero()[:, 0] + count
    layers: list[Any] = cache.layers
    for layer in layers:
        layer.keys[free], layer.values[free] = layer.keys[movers], layer.values[movers]
        layer.keys, layer.values = layer.keys[:count], layer.values[:count]
    rows = torch.arange(count)
    rows[free] = movers
    return rows
