"""From a run's parts to what it needs loaded: rows, tokenizer, frozen columns, reference and policy."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn
from transformers import PreTrainedTokenizerBase

from summpo.build import TrainParts
from summpo.columns import ColumnStore
from summpo.errors import require
from summpo.freeze import Freezer, score_completions
from summpo.margins import margin_table, spread
from summpo.models.adapters import add_lora, load_adapter
from summpo.models.fingerprints import fingerprint_adapter, fingerprint_tokenizer, fingerprint_weights
from summpo.models.loading import load_base as load_model
from summpo.models.loading import load_tokenizer
from summpo.models.sources import ADAPTER_CONFIG, check_context, resolve
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


def check_reference(parts: TrainParts, base: Base) -> None:
    """Checks that the reference reads the policy's tokens: another vocabulary would give numbers without meaning.

    Raises:
        UserError: its tokenizer is another, or its context too short.
    """
    needed = parts.objective.learns_from == "pairs" and parts.objective.needs_reference  # type: ignore[union-attr]
    if not needed or parts.reference.path == parts.model.path:
        return
    folder = resolve(parts.reference, base.cache)
    check_context(folder, parts.limits.max_length)
    tokenizer = load_tokenizer(folder, parts.reference.trust_remote_code)
    require(
        fingerprint_tokenizer(tokenizer) == fingerprint_tokenizer(base.tokenizer),
        f"the reference {parts.reference.path} has another tokenizer than the model {parts.model.path} "
        "(config key reference.path)",
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
    read = parts.dataset.pairs if parts.objective.learns_from == "pairs" else parts.dataset.summaries  # type: ignore[union-attr]
    return read(split)[: parts.dataset.limit]  # type: ignore[index]


def require_rows(train: Tokenized, limits: Limits) -> None:
    """Stops a run that has nothing to train on, and says where the rows went."""
    reasons = ", ".join(f"{name} {n}" for name, n in train.counts.items()) or "the split is empty"
    require(len(train.rows) > 0, f"no training row is left ({reasons}); tokens.max_length is {limits.max_length}")


def row_counts(tokens: dict[str, tuple[Tokenized, str]]) -> dict[str, dict[str, int]]:
    """What became of the rows of each split, by reason."""
    return {split: tokenized.counts for split, (tokenized, _) in tokens.items()}


def margin_rewards(freezer: Freezer, parts: TrainParts, rows: Rows, tokenized: Tokenized) -> dict[str, np.ndarray]:
    """float32 [pair, 2] a margin reward, chosen and rejected; none for SFT."""
    if parts.objective.learns_from == "completions":
        return {}
    return freezer.margins(rows, tokenized.kept, {name: m.reward for name, m in parts.margins.items()})  # type: ignore[arg-type]


def spreads_of(rewards: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The standard deviation of each margin reward over the completions."""
    return {name: spread(values) for name, values in rewards.items()}


def margin_column(
    tokenized: Tokenized, rewards: Mapping[str, np.ndarray], parts: TrainParts, spreads: Mapping[str, float]
) -> np.ndarray:
    """float32 [row, reward]: the margins of the rows, scaled by what the training completions spread; none for SFT."""
    return margin_table(rewards, parts.margins, spreads) if rewards else np.zeros((len(tokenized.rows), 0), np.float32)


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
    freezer: Freezer, parts: TrainParts, base: Base, tokenized: Tokenized, config: DictConfig, score
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
    return freezer.reference(tokenized, weights, config.trainer.precision, score)
