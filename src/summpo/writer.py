"""A model ready to write summaries: weights with the adapter merged in, tokenizer, and the prompt around documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from summpo.decoding import Decoding
from summpo.generation import Generated, generate
from summpo.models import Model
from summpo.models.adapters import load_adapter
from summpo.models.fingerprints import fingerprint_weights
from summpo.models.folders import check_context
from summpo.models.loading import load_base, load_tokenizer
from summpo.models.sources import resolve
from summpo.prompts import Prompt
from summpo.rows import SummaryRow
from summpo.tokens import Limits, prompts_to_write_from


@dataclass(frozen=True)
class Writer:
    """Documents in, summaries out."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    limits: Limits
    decoding: Decoding

    def prompts(self, rows: Sequence[SummaryRow]) -> tuple[list[list[int]], int]:
        """Each document's prompt with room for the summary, and how many documents were cut for it."""
        room, key = self.decoding.max_new_tokens, "generation.max_new_tokens"
        return prompts_to_write_from(rows, self.tokenizer, self.prompt, self.limits, room, key)

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        progress: str | None = None,
        on_batch: Callable[[list[int], list[Generated]], None] | None = None,
    ) -> list[Generated]:
        """One completion a prompt, in order."""
        eos_id, pad_id = int(self.tokenizer.eos_token_id), int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]
        return generate(
            self.model, prompts, self.decoding, eos_id=eos_id, pad_id=pad_id, progress=progress, on_batch=on_batch
        )

    def text(self, written: Generated) -> str:
        """The summary's text, without the white space around it."""
        return str(self.tokenizer.decode(written.ids, skip_special_tokens=True)).strip()


def load_writer(
    model: Model, prompt: Prompt, limits: Limits, decoding: Decoding, cache: Path, accelerator: str
) -> Writer:
    """Loads the model and adds its adapter to its weights, so that writing pays for one model."""
    folder = resolve(model, cache)
    check_context(folder, limits.max_length)
    base = load_base(folder, model)
    if model.adapter is not None:
        policy = load_adapter(base, Path(model.adapter), fingerprint_weights(folder, cache), trainable=False)
        base = policy.merge_and_unload() if model.quantization is None else policy  # pyright: ignore[reportCallIssue]
    device = torch.device("cuda" if accelerator in ("gpu", "cuda") else "cpu")
    return Writer(base.to(device).eval(), load_tokenizer(folder, model.trust_remote_code), prompt, limits, decoding)  # type: ignore[arg-type]
