"""A model ready to write summaries: weights with the adapter merged in, tokenizer, and the prompt around documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from summpo.models import Model
from summpo.models.devices import make_current
from summpo.models.weights.adapters import load_adapter
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.folders import check_context, stop_ids
from summpo.models.weights.loading import check_vocabulary, load_base, load_tokenizer
from summpo.models.weights.sources import resolve
from summpo.runs.unfinished import PartialResults, Record
from summpo.text.encoding import rendered_tokens
from summpo.text.prompts import Prompt
from summpo.text.rows import SummaryRow
from summpo.text.tokens import Limits, prompts_to_write_from
from summpo.text.turns import end_ids
from summpo.writing.answers import ReadAnswer, answer_of, opens_thought
from summpo.writing.decoding import Decoding, batches_of
from summpo.writing.generation import Generated, generate
from summpo.writing.on_vllm import VllmModel, load_vllm

Key = tuple[str, str]
"""A document's id, and which part of it; no part where it is all of it."""


@dataclass(frozen=True)
class Writer:
    """Documents in, summaries out."""

    model: PreTrainedModel | VllmModel
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    limits: Limits
    decoding: Decoding
    end_ids: Sequence[int]
    """The tokens that end a summary."""

    def prompts(self, rows: Sequence[SummaryRow]) -> tuple[list[list[int]], list[int]]:
        """Each document's prompt with room for the summary, and how many tokens of it were left out for it."""
        room, key = self.decoding.max_new_tokens, "generation.max_new_tokens"
        return prompts_to_write_from(rows, self.tokenizer, self.prompt, self.limits, room, key)

    def room(self) -> int:
        """Tokens that a document may have beside what stands around it and a summary of the greatest length."""
        (ids,) = rendered_tokens([self.prompt.render("", self.tokenizer)], self.tokenizer)
        return self.limits.max_length - self.decoding.max_new_tokens - len(ids)

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        progress: str | None = None,
        on_batch: Callable[[list[int], list[Generated]], None] | None = None,
    ) -> list[Generated]:
        """One completion a prompt, in order."""
        if isinstance(self.model, VllmModel):
            written = self.model.generate(prompts, self.decoding, self.end_ids)
        else:
            pad_id = int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]
            written = generate(
                self.model,
                prompts,
                self.decoding,
                end_ids=self.end_ids,
                pad_id=pad_id,
                progress=progress,
                on_batch=on_batch,
            )
        return [
            replace(one, opened=opens_thought(prompt, self.tokenizer))
            for prompt, one in zip(prompts, written, strict=True)
        ]

    def write_kept(
        self,
        prompts: Mapping[Key, Sequence[int]],
        kept: PartialResults,
        seed: int,
        record: Callable[[Key, list[Generated]], Record],
        *,
        samples: int = 1,
        on_batch: Callable[[int], object] = lambda count: None,
    ) -> None:
        """Keeps what `record` makes of each prompt's completions, batch by batch; what is kept is not written again.

        A prompt's samples depend on the seed and on the prompts of its batch, not on when the process was started.

        Args:
            samples: completions of each prompt.
            on_batch: told how many prompts are done with each batch, whether by this process or an earlier one.
        """
        keys = list(prompts)
        batches = batches_of([len(prompts[key]) for key in keys], self.decoding, samples)
        for number, batch in enumerate([keys[i] for i in positions] for positions in batches):
            missing = [key for key in batch if kept.get(*key) is None]
            if missing:
                wanted = batch if self.decoding.temperature > 0 else missing
                torch.manual_seed(seed * 1_000_003 + number)
                written = self.write([prompts[key] for key in wanted for _ in range(samples)])
                of_key = {key: written[n * samples : (n + 1) * samples] for n, key in enumerate(wanted)}
                kept.keep([record(key, of_key[key]) for key in missing])
            on_batch(len(batch))

    def answer(self, written: Generated) -> ReadAnswer:
        """The summary, and what of it was thoughts."""
        return answer_of(written, self.tokenizer, self.decoding.thoughts == "keep")

    def text(self, written: Generated) -> str:
        """The summary's text, without the white space around it."""
        return self.answer(written).text


def load_writer(model: Model, prompt: Prompt, limits: Limits, decoding: Decoding, cache: Path, device: str) -> Writer:
    """Loads the model and adds its adapter to its weights, so that writing pays for one model."""
    make_current(torch.device(device))
    folder = resolve(model, cache)
    check_context(folder, limits.max_length, model.rope_scaling)
    tokenizer = load_tokenizer(folder, model.trust_remote_code)
    check_vocabulary(tokenizer, folder, model.path)
    ends = end_ids(tokenizer, prompt, stop_ids(folder))
    if decoding.backend == "vllm":
        return Writer(load_vllm(folder, model, limits.max_length), tokenizer, prompt, limits, decoding, ends)
    base = load_base(folder, model)
    if model.adapter is not None:
        policy = load_adapter(base, Path(model.adapter), fingerprint_weights(folder, cache), trainable=False)
        base = policy.merge_and_unload() if model.quantization is None else policy  # pyright: ignore[reportCallIssue]
    return Writer(base.to(device).eval(), tokenizer, prompt, limits, decoding, ends)  # type: ignore[arg-type]
