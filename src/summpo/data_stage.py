"""The data stage of a run: text rows to tokens, margins and the reference's log-probs, each a frozen column.

Two steps, because the policy comes between them: what needs text alone, and what the reference, which is often the
policy before its first step, has to compute. Nothing here depends on w, beta, the objective's form or the batch size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn

from summpo.assemble import Base, Rows
from summpo.break_even import where_they_lie
from summpo.build import TrainParts, check_adapters, follows_w
from summpo.errors import require
from summpo.freeze import Context, Freezer, content_of
from summpo.frozen_models import FrozenModels, fingerprint_model
from summpo.margin_rewards import AdapterReward, MarginReward, ModelReward
from summpo.margins import margin_table, spread
from summpo.models import Model
from summpo.models.adapters import require_base
from summpo.models.fingerprints import fingerprint_tokenizer, fingerprint_weights
from summpo.models.folders import check_context
from summpo.models.loading import load_tokenizer
from summpo.models.sources import resolve
from summpo.records import FrozenColumns, Ragged, TokenRows
from summpo.rows import PairRow
from summpo.scoring import score_completions, summed_log_ratios
from summpo.shared import Shared
from summpo.tokens import Tokenized

AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class TextColumns:
    """A split's columns that need no model: token rows, and what the margin rewards give them."""

    tokenized: Tokenized
    fingerprint: str
    """What the token rows were made from, as hex."""
    rewards: Mapping[str, np.ndarray]
    """float32 [pair, 2] a margin reward, chosen and rejected; empty for SFT."""

    def spreads(self) -> dict[str, float]:
        """The spread of each margin reward over the pairs (`summpo.margins.spread`)."""
        return {name: spread(values) for name, values in self.rewards.items()}

    def folders(self) -> list[Path]:
        """Where the columns lie in the store."""
        arrays = (self.tokenized.kept, *self.rewards.values())
        return [Path(str(array.filename)).parent for array in arrays if isinstance(array, np.memmap)]


class DataStage:
    """Makes a run's frozen columns, each read from the store where it is known."""

    def __init__(self, parts: TrainParts, base: Base, config: DictConfig, shared: Shared) -> None:
        self.parts, self.base, self.config, self.shared = parts, base, config, shared
        self.freezer = Freezer(base.store, base.tokenizer, base.tokenizer_fingerprint)
        self.models = FrozenModels(base.cache, shared.take_base)

    def of_split(self, split: str, source: Any, read: Callable[[], Rows]) -> TextColumns:
        """What `from_text` makes of a split's rows: they are read, and let go of, only where it is not shared already.

        Args:
            source: what the rows are made from, as `assemble.source_of` tells it.
        """
        rewards = {name: self.essence(margin.reward) for name, margin in self.parts.margins.items()}
        of_tokens = (self.base.tokenizer_fingerprint, self.parts.prompt, self.parts.limits)
        made_from = (source, self.base.cache, of_tokens, rewards)
        return self.shared.get(f"{split} columns", made_from, lambda: self.from_text(read()), TextColumns.folders)

    def essence(self, reward: MarginReward) -> tuple[Any, ...]:
        """What decides a margin reward's values beside the rows and the tokenizer."""
        weights = reward.fingerprint(self.base.cache) if isinstance(reward, ModelReward) else None
        return reward, weights, self.base_essence() if isinstance(reward, AdapterReward) else None

    def base_essence(self) -> dict[str, Any]:
        """What decides log-ratios beside the adapter and the token rows."""
        base = fingerprint_model(replace(self.parts.model, adapter=None), self.base.cache)
        return {"model": base, "arithmetic": self.arithmetic()}

    def arithmetic(self, is_policy: bool = False) -> dict[str, Any]:
        """How a frozen model computes, where that shows in its last digits; `is_policy` as `make_policy` made it."""
        autocast = AUTOCAST[self.precision]
        return {
            "precision": self.precision,
            "autocast": None if autocast is None else str(autocast),
            "layout": "shared_prefix" if self.base.shares_prefixes else "padded",
            "compiled": is_policy and self.parts.compiles,
        }

    def from_text(self, rows: Rows) -> TextColumns:
        """Token rows and margin rewards of a split."""
        tokenized, key = self.freezer.tokens(rows, self.parts.prompt, self.parts.limits)
        if not self.parts.on_pairs:
            return TextColumns(tokenized, key, {})
        pairs: list[PairRow] = [rows[index] for index in tokenized.kept]  # type: ignore[misc]
        rewards = {name: margin.reward for name, margin in self.parts.margins.items()}
        found = self.freezer.margins(pairs, rewards, self.context(tokenized))
        self.release()  # before the policy is loaded
        return TextColumns(tokenized, key, found)

    def context(self, tokenized: Tokenized) -> Context:
        """What margin rewards that compute with models are given: device, base, and log-ratios under adapters on it."""
        base = replace(self.parts.model, adapter=None)
        device = device_of(self.config.trainer.accelerator)

        def log_ratios(adapter: str) -> list[float]:
            """log pi / log ref of each pair's chosen and rejected completion, in turn."""
            of_adapter = self.log_probs(replace(base, adapter=adapter), tokenized, device)
            of_base = self.log_probs(base, tokenized, device)
            return summed_log_ratios(of_adapter, of_base)

        depends_on = {**self.base_essence(), "tokens": content_of(tokenized.rows)}
        return Context(self.base.cache, device.type, log_ratios, depends_on)

    def with_reference(
        self, text: TextColumns, spreads: Mapping[str, float], policy: nn.Module | None, device: torch.device
    ) -> FrozenColumns:
        """All columns of a split.

        Args:
            spreads: the spread of each margin reward over the training pairs.
            policy: the model before its first step, None where it has trained already.

        Raises:
            UserError: a reward that is to be normalised is the same for both completions of every training pair.
        """
        tokenized, parts = text.tokenized, self.parts
        margins = np.zeros((len(tokenized.rows), 0), np.float32)
        if text.rewards:
            margins = margin_table(text.rewards, parts.margins, spreads)
        reference = None
        if parts.needs_reference:
            is_policy = parts.reference == parts.model
            reference = self.log_probs(parts.reference, tokenized, device, policy if is_policy else None)
        return FrozenColumns(tokenized.rows, reference, margins)

    def release(self) -> None:
        """Lets go of the frozen models: what they had to say is columns by now."""
        self.models.clear()

    def log_probs(
        self, model: Model, tokenized: Tokenized, device: torch.device, loaded: nn.Module | None = None
    ) -> tuple[Ragged, ...]:
        """A frozen model's token log-probs of a split's completions; `loaded` is the model, where it is in memory."""
        if not len(tokenized.rows):
            return ()

        def score(rows: TokenRows) -> tuple[Ragged, ...]:
            """The log-probs of the rows' completions; loads the model where it is not given."""
            with nullcontext(loaded.to(device)) if loaded is not None else self.models.on(model, device) as frozen:
                return score_completions(
                    frozen,
                    rows,
                    batch_size=self.config.eval_batch_size,
                    layout=self.base.layout,
                    autocast=AUTOCAST[self.precision],
                    progress=self.config.trainer.enable_progress_bar,
                )

        called = {"model": model.path, **({"adapter": model.adapter} if model.adapter else {})}
        weights, arithmetic = fingerprint_model(model, self.base.cache), self.arithmetic(loaded is not None)
        return self.freezer.reference(tokenized, weights, arithmetic, score, called)

    @property
    def precision(self) -> str:
        return str(self.config.trainer.precision)


def device_of(accelerator: str) -> torch.device:
    """Where a frozen model computes before there is a trainer: this process's GPU where one is asked for and there."""
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def say_of_rows(text: Mapping[str, TextColumns], max_length: int) -> None:
    """A line a split: how many of its rows are used, how many of them in part, and where the others went."""
    for split, columns in text.items():
        counts = columns.tokenized.counts
        dropped = {name.removeprefix("dropped_"): n for name, n in counts.items() if name.startswith("dropped_")}
        kept, cut, lost = counts.get("kept", 0), counts.get("truncated_document", 0), sum(dropped.values())
        if kept + lost:
            of_cut = f", {cut:,} of them with their document cut to fit tokens.max_length={max_length}" if cut else ""
            reasons = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in dropped.items() if n)
            of_lost = f"; {lost:,} dropped ({reasons})" if lost else ""
            print(f"rows: {split}: {kept:,} of {kept + lost:,} kept{of_cut}{of_lost}")


def say_of_weights(parts: TrainParts, config: DictConfig, train: TextColumns, spreads: Mapping[str, float]) -> None:
    """Where w, or the weights that do not follow it, lie against the break-even weights of the training pairs."""
    if train.rewards:
        table = margin_table(train.rewards, parts.margins, spreads)
        following = {name for name in parts.margins if follows_w(config.margin_reward, name)}
        for sentence in where_they_lie(parts.margins, table, following, config.w, parts.objective):
            print(f"weight: {sentence}")


def require_rows(train: TextColumns, max_length: int) -> None:
    """Stops a run that has nothing to train on, and says where the rows went."""
    reasons = ", ".join(f"{name} {n}" for name, n in train.tokenized.counts.items()) or "the split is empty"
    require(len(train.tokenized.rows) > 0, f"no row is left ({reasons}); tokens.max_length is {max_length}")


def check_models(parts: TrainParts, base: Base) -> None:
    """Checks what the run's models have to do with one another, before any of their weights is loaded.

    Raises:
        UserError: an adapter was trained on another base; or the reference reads other tokens than the policy (numbers
            without meaning) or has too short a context.
    """
    check_adapters(parts.margins, base.fingerprint, parts.model.path)
    if parts.model.adapter is not None:
        require_base(Path(parts.model.adapter).expanduser(), base.fingerprint, parts.model.path, "model.adapter")
    if not parts.needs_reference:
        return
    folder = base.folder
    if parts.reference.path != parts.model.path:
        folder = resolve(parts.reference, base.cache)
        check_context(folder, parts.limits.max_length, parts.reference.rope_scaling)
        tokenizer = load_tokenizer(folder, parts.reference.trust_remote_code)
        require(
            fingerprint_tokenizer(tokenizer) == base.tokenizer_fingerprint,
            f"the reference {parts.reference.path} has another tokenizer than the model {parts.model.path} "
            "(config key reference.path)",
        )
    if parts.reference.adapter is not None:
        weights = fingerprint_weights(folder, base.cache)
        require_base(Path(parts.reference.adapter).expanduser(), weights, parts.reference.path, "reference.adapter")
