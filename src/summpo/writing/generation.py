"""Summaries from prompts: batches of like length within a bound on memory, greedy by default. Token ids in and out.

A prompt is read in stretches (`Decoding.prefill_tokens`), so that what is computed over it takes no more memory for a
long one than for a short one; its keys and values alone grow with it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm
from transformers import DynamicCache, GenerationConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from summpo.writing.decoding import Decoding, batches_of
from summpo.writing.on_cpu import base_of, complete, is_proven_model, left_pad


@dataclass(frozen=True)
class Generated:
    """One completion as the model wrote it."""

    ids: list[int]
    """Token ids without the one that ends it."""
    end: int | None = None
    """The token by which the model ended it; None where it was cut at max_new_tokens."""
    opened: bool = False
    """Whether its prompt has opened a thought, within which it begins."""

    @property
    def ended(self) -> bool:
        """The model ended it itself, before max_new_tokens."""
        return self.end is not None


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    end_ids: Sequence[int],
    pad_id: int,
    progress: str | None = None,
    on_batch: Callable[[list[int], list[Generated]], None] | None = None,
) -> list[Generated]:
    """One completion a prompt, in the order of the prompts. Sampling takes torch's seed as it stands.

    Runs in the dtype of the weights: autocast would cast frozen weights anew for every token.

    Args:
        end_ids: the tokens that end a completion (`turns.end_ids`).
        progress: what the progress bar is called; None for no bar.
        on_batch: told the prompts' positions and their completions as soon as a batch is done.
    """
    config = GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=decoding.temperature > 0,
        temperature=decoding.temperature if decoding.temperature > 0 else None,
        top_p=decoding.top_p if decoding.temperature > 0 else None,
        top_k=0 if decoding.temperature > 0 else None,
        eos_token_id=list(end_ids),
        pad_token_id=pad_id,
        use_cache=True,
    )
    proven, in_stretches = is_proven_model(model), reads_in_stretches(model)
    done: dict[int, Generated] = {}
    with (
        without_defaults(config, model),
        tqdm(total=len(prompts), desc=progress, unit="summary", disable=progress is None) as bar,
    ):
        for chunk in batches_of([len(prompt) for prompt in prompts], decoding):
            batch = [prompts[i] for i in chunk]
            if proven:
                ids = complete(model, batch, decoding, end_ids=end_ids, pad_id=pad_id)
            else:
                config.prefill_chunk_size = stretch(batch, decoding) if in_stretches else None
                ids = plain_generate(model, batch, config)
            written = [cut_at_end(one, end_ids) for one in ids]
            done.update(zip(chunk, written, strict=True))
            if on_batch is not None:
                on_batch(chunk, written)
            bar.update(len(chunk))
    return [done[i] for i in range(len(prompts))]


def plain_generate(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], config: GenerationConfig
) -> list[list[int]]:
    """What transformers' own `generate` writes after each prompt; padding follows its end."""
    input_ids, mask = (part.to(model.device) for part in left_pad(prompts, int(config.pad_token_id)))
    output = model.generate(input_ids=input_ids, attention_mask=mask, generation_config=config)  # type: ignore[operator]
    return output[:, input_ids.shape[1] :].tolist()


def stretch(prompts: Sequence[Sequence[int]], decoding: Decoding) -> int | None:
    """How many tokens of each prompt are read at a time, side by side; None where all of them are few enough."""
    width = max(map(len, prompts))
    most = max(1, decoding.prefill_tokens // len(prompts))
    return most if most < width else None


def reads_in_stretches(model: PreTrainedModel) -> bool:
    """Whether transformers reads a prompt in stretches as it reads it whole.

    Not where rotary angles depend on how much has been read, nor where a layer keeps something else than keys and
    values; what code of the model's own does is not known.
    """
    base: Any = base_of(model)
    rope = getattr(base.config, "rope_parameters", None) or {}
    return (
        type(base).__module__.startswith("transformers.")
        and not base.config.is_encoder_decoder
        and rope.get("rope_type") not in ("dynamic", "longrope")
        and {type(layer) for layer in DynamicCache(config=base.config).layers}
        <= {DynamicLayer, DynamicSlidingWindowLayer}
    )


def cache_bytes(model: PreTrainedModel, tokens: int) -> int | None:
    """Bytes of the keys and values of so many tokens in all layers; None where the model's config does not say."""
    config: Any = base_of(model).config
    names = ("num_hidden_layers", "num_attention_heads", "hidden_size")
    layers, heads, hidden = (getattr(config, name, None) for name in names)
    if not layers or not heads or not hidden:
        return None
    own_heads = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or hidden // heads
    return 2 * layers * own_heads * size * base_of(model).dtype.itemsize * tokens


@contextmanager
def without_defaults(config: GenerationConfig, model: PreTrainedModel) -> Iterator[None]:
    """The model in eval mode, and without the defaults that it came with.

    transformers fills what a config leaves open from the model's generation_config.json. With the repetition penalty of
    1.1 of Qwen2-Instruct, greedy would not be greedy.
    """
    base = base_of(model)
    its_own, was_training = base.generation_config, model.training
    base.generation_config = config
    model.eval()
    try:
        yield
    finally:
        base.generation_config = its_own
        model.train(was_training)


def cut_at_end(ids: list[int], end_ids: Sequence[int]) -> Generated:
    """What stands before the first token that ends it; all of it, not ended, where there is none."""
    place = next((place for place, token in enumerate(ids) if token in end_ids), None)
    return Generated(ids) if place is None else Generated(ids[:place], end=ids[place])
