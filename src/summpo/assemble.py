"""From a run's parts to what it needs loaded: rows, tokenizer, frozen columns, reference and policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn
from transformers import PreTrainedTokenizerBase

from summpo.build import TrainParts
from summpo.columns import ColumnStore
from summpo.errors import require
from summpo.freeze import Freezer, score_completions
from summpo.models.adapters import add_lora, load_adapter
from summpo.models.fingerprints import fingerprint_adapter, fingerprint_weights
from summpo.models.loading import load_base as load_model
from summpo.models.loading import load_tokenizer
from summpo.models.sources import check_context, resolve
from summpo.records import Ragged, TokenRows
from summpo.rows import PairRow, SummaryRow
from summpo.tokens import Limits, Tokenized

Rows = Sequence[SummaryRow] | Sequence[PairRow]
AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


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


def text_rows(parts: TrainParts, split: str) -> Rows:
    """The data set's rows of a split, as many as its limit allows, of the kind that the objective learns from."""
    read = parts.dataset.pairs if parts.objective.learns_from == "pairs" else parts.dataset.summaries  # type: ignore[union-attr]
    return read(split)[: parts.dataset.limit]  # type: ignore[index]


def require_rows(train: Tokenized, limits: Limits) -> None:
    """Stops a run that has nothing to train on, and says where the rows went."""
    reasons = ", ".join(f"{name} {n}" for name, n in train.counts.items()) or "the split is empty"
    require(len(train.rows) > 0, f"no training row is left ({reasons}); tokens.max_length is {limits.max_length}")


def row_counts(tokens: dict[str, tuple[Tokenized, str]]) -> dict[str, dict[str, int]]:
    """What became of the rows of each split, by reason."""
    return {split: tokenized.counts for split, (tokenized, _) in tokens.items()}


def margin_column(freezer: Freezer, parts: TrainParts, rows: Rows, tokenized: Tokenized) -> np.ndarray:
    """float32 [row, reward]: every margin reward of the rows; no column for SFT."""
    if parts.objective.learns_from == "completions":
        return np.zeros((len(tokenized.rows), 0), np.float32)
    return freezer.margins(rows, tokenized.kept, {name: m.reward for name, m in parts.margins.items()})  # type: ignore[arg-type]


def make_policy(parts: TrainParts, base: Base, seed: int) -> nn.Module:
    """The model that trains: on a fresh adapter, on the adapter that the run starts from, or in all its weights."""
    torch.manual_seed(seed)
    model = load_model(base.folder, parts.model)
    if parts.model.adapter is not None:
        return load_adapter(model, Path(parts.model.adapter), base.fingerprint, trainable=True)
    if parts.lora is not None:
        return add_lora(model, parts.lora)
    require(parts.model.quantization is None, "quantised weights cannot train: set lora, or model.quantization=null")
    return model


def reference_scorer(
    parts: TrainParts, base: Base, policy: nn.Module | None, config: DictConfig, device: torch.device
) -> Callable[[TokenRows], tuple[Ragged, ...]]:
    """The function that gives a split's reference log-probs.

    Where the reference is what the policy starts from, the `policy` before its first step is the reference.
    """

    def score(rows: TokenRows) -> tuple[Ragged, ...]:
        is_policy = policy is not None and parts.reference == parts.model
        model = policy if is_policy else load_reference(parts, base)
        return score_completions(
            model.to(device),  # type: ignore[union-attr]
            rows,
            batch_size=config.eval_batch_size,
            pad_id=base.pad_id,
            autocast=AUTOCAST[config.trainer.precision],
            progress=config.trainer.enable_progress_bar,
        )

    return score


def load_reference(parts: TrainParts, base: Base) -> nn.Module:
    """The frozen model that the config names as the reference."""
    folder = resolve(parts.reference, base.cache)
    model = load_model(folder, parts.reference)
    if parts.reference.adapter is None:
        return model
    weights = fingerprint_weights(folder, base.cache)
    return load_adapter(model, Path(parts.reference.adapter), weights, trainable=False)


def reference_column(
    freezer: Freezer, parts: TrainParts, base: Base, tokenized: Tokenized, tokens_key: str, config: DictConfig, score
) -> tuple[Ragged, ...] | None:
    """The reference's token log-probs of a split, from the store where they are known; None where none is needed."""
    if parts.objective.learns_from == "completions" or not parts.objective.needs_reference:  # type: ignore[union-attr]
        return None
    reference = parts.reference
    folder = resolve(reference, base.cache)
    weights = {
        "model": fingerprint_weights(folder, base.cache),
        "adapter": fingerprint_adapter(Path(reference.adapter)) if reference.adapter else None,
        "settings": [reference.dtype, reference.quantization, reference.attention],
    }
    return freezer.reference(tokenized, tokens_key, weights, config.trainer.precision, score)
