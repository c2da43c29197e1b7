"""Reward models that are used, not trained: sequence classifiers with one output, by plain transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.errors import require
from summpo.models.folders import architectures
from summpo.models.loading import loading, quiet, require_every_weight
from summpo.prompts import Prompt
from summpo.rows import SummaryRow
from summpo.tokens import Limits, prompt_tokens, text_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Scorer:
    """A loaded reward model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def as_continuations(
        self, documents: Sequence[str], texts: Sequence[str], prompt: Prompt, max_length: int
    ) -> list[list[int]]:
        """The ids of each prompt, its text and EOS: what objective=reward_model trains on.

        Raises:
            UserError: a text leaves no room for its document.
        """
        eos, limits = self.tokenizer.eos_token_id, Limits(max_length=max_length)
        where = f"{self.model.name_or_path}"
        require(eos is not None, f"{where} has no end of sequence token: it reads pairs of texts (form=pair)")
        sequences = []
        for document, ids in zip(documents, text_tokens(texts, self.tokenizer), strict=True):
            row = SummaryRow(f"for the reward model {where}", document, "")
            prompt_ids, _ = prompt_tokens(row, self.tokenizer, prompt, limits, len(ids) + 1)
            sequences.append([*prompt_ids, *ids, eos])
        return sequences

    def as_pairs(self, documents: Sequence[str], texts: Sequence[str], max_length: int) -> list[list[int]]:
        """The ids of each document and its text as the tokenizer joins two texts; the document is cut to fit."""
        encoded: Any = self.tokenizer(list(documents), list(texts), truncation="only_first", max_length=max_length)
        return encoded["input_ids"]

    def scores(self, sequences: Sequence[Sequence[int]], batch_size: int) -> list[float]:
        """The model's number for each sequence of ids, float32. Those of like length share a batch."""
        import torch

        pad_id, device = int(self.model.config.pad_token_id), self.model.device  # type: ignore[arg-type]
        order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
        found = [0.0] * len(sequences)
        with torch.inference_mode():
            for first in range(0, len(order), batch_size):
                chunk = order[first : first + batch_size]
                width = len(sequences[chunk[0]])
                ids = torch.tensor([[*sequences[i], *[pad_id] * (width - len(sequences[i]))] for i in chunk])
                lengths = torch.tensor([len(sequences[i]) for i in chunk])
                mask = (torch.arange(width) < lengths.unsqueeze(1)).long()
                logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
                for index, value in zip(chunk, logits.squeeze(1).float().tolist(), strict=True):
                    found[index] = value
        return found


def check_reward_model(folder: Path, key: str) -> None:
    """Checks that a model folder is a sequence classifier with one output, by its config alone.

    Raises:
        UserError: naming the folder and the config `key`.
    """
    names = list(map(str, architectures(folder)))
    require(
        any(name.endswith("ForSequenceClassification") for name in names),
        f"{folder} is no sequence classifier, but {', '.join(names) or 'of no named kind'} (config key {key})",
    )
    outputs = len(json.loads((folder / "config.json").read_text("utf-8")).get("id2label") or (0, 1))
    require(outputs == 1, f"a reward model has one output, and {folder} has {outputs} (config key {key})")


def load_reward_model(folder: Path, device: str) -> Scorer:
    """The model in float32 and eval mode on a device, and its tokenizer.

    Raises:
        UserError: its files cannot be loaded, or some weights are missing.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with loading(f"the weights in {folder}"), quiet():
        loaded: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    model, report = loaded
    require_every_weight(report, str(folder))
    with loading(f"the tokenizer in {folder}"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    return Scorer(model.to(device).eval(), tokenizer)
