"""From a run's parts to what it needs loaded: rows, tokenizer and policy; and the policy's weights to files."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from summpo.build import TrainParts
from summpo.columns import ColumnStore
from summpo.errors import require
from summpo.models.adapters import add_lora, load_adapter, save_adapter
from summpo.models.fingerprints import fingerprint_weights
from summpo.models.folders import ADAPTER_CONFIG, check_context
from summpo.models.loading import load_base as load_base_model
from summpo.models.loading import load_scorer, load_tokenizer
from summpo.models.saving import save_full
from summpo.models.sources import base_name, resolve
from summpo.rows import PairRow, SummaryRow
from summpo.run_folder import RunFolder

Rows = Sequence[SummaryRow] | Sequence[PairRow]


@dataclass(frozen=True)
class Base:
    """The model's folder on this disk, its tokenizer, what the store knows it by, and the store."""

    folder: Path
    tokenizer: PreTrainedTokenizerBase
    fingerprint: str
    store: ColumnStore
    cache: Path

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]


def load_base(parts: TrainParts, cache: Path) -> Base:
    """Finds (or fetches, or converts) the model and loads its tokenizer; the weights stay on the disk."""
    folder = resolve(parts.model, cache)
    check_context(folder, parts.limits.max_length)
    return Base(
        folder=folder,
        tokenizer=load_tokenizer(folder, parts.model.trust_remote_code),
        fingerprint=fingerprint_weights(folder, cache),
        store=ColumnStore(cache / "columns"),
        cache=cache,
    )


def lora_of(parts: TrainParts) -> dict[str, Any] | None:
    """What the adapter that trains is made of, whether it is fresh or goes on; None where all weights train."""
    if parts.model.adapter is None:
        return None if parts.lora is None else asdict(parts.lora)
    file = Path(parts.model.adapter).expanduser() / ADAPTER_CONFIG
    settings = json.loads(file.read_text("utf-8"))
    names = {"r": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "target_modules": "target_modules"}
    found = {ours: settings.get(theirs) for ours, theirs in names.items()}
    if parts.lora is not None and found["r"] != parts.lora.r:
        print(
            f"lora: goes on training {parts.model.adapter} (r {found['r']}, alpha {found['alpha']}); lora.* is not used"
        )
    return found


def text_rows(parts: TrainParts, split: str) -> Rows:
    """The data set's rows of a split, as many as its limit allows, of the kind that the objective learns from."""
    read = parts.dataset.pairs if parts.on_pairs else parts.dataset.summaries  # type: ignore[union-attr]
    return read(split)[: parts.dataset.limit]  # type: ignore[index]


def load_plain(parts: TrainParts, base: Base) -> PreTrainedModel:
    """The base's weights without any adapter: a language model, or one under a head that scores."""
    if parts.trains_scorer:
        return load_scorer(base.folder, parts.model, base.pad_id)
    return load_base_model(base.folder, parts.model)


def make_policy(parts: TrainParts, base: Base, seed: int) -> nn.Module:
    """The model that trains: on a fresh adapter, on the adapter that the run starts from, or in all its weights."""
    torch.manual_seed(seed)
    model = load_plain(parts, base)
    if parts.model.adapter is not None:
        return load_adapter(model, Path(parts.model.adapter), base.fingerprint, trainable=True)
    if parts.lora is not None:
        return add_lora(model, parts.lora)
    require(parts.model.quantization is None, "quantised weights cannot train: set lora, or model.quantization=null")
    return model


def save(policy: nn.Module, base: Base, parts: TrainParts, run: RunFolder) -> Path:
    """The adapter, or the whole model where all weights trained; returns its folder."""
    policy.to("cpu")
    if parts.lora is None and parts.model.adapter is None:
        save_full(policy, run.model, base.tokenizer)  # type: ignore[arg-type]
        return run.model
    name = base_name(parts.model, base.folder)  # a Hub id or a folder: what plain PEFT finds again
    save_adapter(policy, run.adapter, name, base.fingerprint, base.tokenizer)  # type: ignore[arg-type]
    return run.adapter
