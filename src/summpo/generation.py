"""Summaries from prompts: batches of like length, greedy by default. Token ids in, token ids out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from tqdm import tqdm
from transformers import GenerationConfig, PreTrainedModel

from summpo.cpu_generation import base_of, complete, is_proven, left_pad
from summpo.decoding import Decoding


@dataclass(frozen=True)
class Generated:
    """One completion as the model wrote it."""

    ids: list[int]
    """Without EOS."""
    ended: bool
    """The model wrote EOS itself, before max_new_tokens."""


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    eos_id: int,
    pad_id: int,
    progress: str | None = None,
    on_batch: Callable[[list[int], list[Generated]], None] | None = None,
) -> list[Generated]:
    """One completion a prompt, in the order of the prompts. Sampling takes torch's seed as it stands.

    Runs in the dtype of the weights: autocast would cast frozen weights anew for every token.

    Args:
        progress: what the progress bar is called; None for no bar.
        on_batch: told the prompts' positions and their completions as soon as a batch is done.
    """
    config = GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=decoding.temperature > 0,
        temperature=decoding.temperature if decoding.temperature > 0 else None,
        top_p=decoding.top_p if decoding.temperature > 0 else None,
        top_k=0 if decoding.temperature > 0 else None,
        eos_token_id=eos_id,
        pad_token_id=pad_id,
        use_cache=True,
    )
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    proven = is_proven(model)
    done: dict[int, Generated] = {}
    with only(config, model), tqdm(total=len(prompts), desc=progress, unit="summary", disable=progress is None) as bar:
        for first in range(0, len(order), decoding.batch_size):
            chunk = order[first : first + decoding.batch_size]
            batch = [prompts[i] for i in chunk]
            ids = (
                complete(model, batch, decoding, eos_id=eos_id, pad_id=pad_id)
                if proven
                else plain(model, batch, config)
            )
            written = [cut_at_eos(one, eos_id) for one in ids]
            done.update(zip(chunk, written, strict=True))
            if on_batch is not None:
                on_batch(chunk, written)
            bar.update(len(chunk))
    return [done[i] for i in range(len(prompts))]


def plain(model: PreTrainedModel, prompts: Sequence[Sequence[int]], config: GenerationConfig) -> list[list[int]]:
    """What transformers' own `generate` writes after each prompt; padding follows EOS."""
    input_ids, mask = (part.to(model.device) for part in left_pad(prompts, int(config.pad_token_id)))
    output = model.generate(input_ids=input_ids, attention_mask=mask, generation_config=config)  # type: ignore[operator]
    return output[:, input_ids.shape[1] :].tolist()


@contextmanager
def only(config: GenerationConfig, model: PreTrainedModel) -> Iterator[None]:
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


def cut_at_eos(ids: list[int], eos_id: int) -> Generated:
    """What stands before the first EOS; all of it, not ended, where there is none."""
    if eos_id in ids:
        return Generated(ids[: ids.index(eos_id)], ended=True)
    return Generated(ids, ended=False)
