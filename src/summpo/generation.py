"""Summaries from prompts: batches of like length, greedy by default. Token ids in, token ids out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from tqdm import tqdm
from transformers import GenerationConfig, PreTrainedModel

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
    device = next(model.parameters()).device
    done: dict[int, Generated] = {}
    with only(config, model), tqdm(total=len(prompts), desc=progress, unit="summary", disable=progress is None) as bar:
        for first in range(0, len(order), decoding.batch_size):
            chunk = order[first : first + decoding.batch_size]
            input_ids, mask = left_pad([prompts[i] for i in chunk], pad_id)
            output = model.generate(  # type: ignore[operator]
                input_ids=input_ids.to(device), attention_mask=mask.to(device), generation_config=config
            )
            written = [cut_at_eos(row, eos_id) for row in output[:, input_ids.shape[1] :].tolist()]
            done.update(zip(chunk, written, strict=True))
            if on_batch is not None:
                on_batch(chunk, written)
            bar.update(len(chunk))
    return [done[i] for i in range(len(prompts))]


@contextmanager
def only(config: GenerationConfig, model: PreTrainedModel) -> Iterator[None]:
    """The model in eval mode, and without the defaults that it came with.

    transformers fills what a config leaves open from the model's generation_config.json. With the repetition penalty of
    1.1 of Qwen2-Instruct, greedy would not be greedy.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    its_own, was_training = base.generation_config, model.training
    base.generation_config = config
    model.eval()
    try:
        yield
    finally:
        base.generation_config = its_own
        model.train(was_training)


def left_pad(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Int [prompt, position] ids and their mask, padded on the left, so that every prompt ends where writing begins."""
    width = max(map(len, prompts))
    ids = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids), torch.tensor(mask)


def cut_at_eos(ids: list[int], eos_id: int) -> Generated:
    """What stands before the first EOS; all of it, not ended, where there is none."""
    if eos_id in ids:
        return Generated(ids[: ids.index(eos_id)], ended=True)
    return Generated(ids, ended=False)
