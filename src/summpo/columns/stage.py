"""The data stage of a run: text rows to tokens, margins and the reference's log-probs, each a frozen column.

Two steps, because the policy comes between them: what needs text alone, and what the reference, which is often the
policy before its first step, has to compute. Nothing here depends on w, beta, the objective's form or the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from summpo.columns.base import Base
from summpo.columns.freeze import Context, Freezer, content_of
from summpo.columns.reuse import reused, take_base
from summpo.columns.settings import ColumnSettings
from summpo.margin_rewards import AdapterReward, MarginReward, ModelReward
from summpo.margin_rewards.margins import reward_differences, spread
from summpo.models import Model
from summpo.models.devices import make_current
from summpo.models.forward.scoring import score_completions, summed_log_ratios
from summpo.models.weights.frozen import FrozenModels, fingerprint_model
from summpo.records import FrozenColumns, Ragged, TokenRows
from summpo.text.rows import LabelledRow, Rows, TextRow
from summpo.text.tokens import Tokenized
from summpo.text.turns import without_ends

AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class TextColumns:
    """A split's columns that need no model: token rows, and what the margin rewards give them."""

    tokenized: Tokenized
    fingerprint: str
    """What the token rows were made from, as hex."""
    rewards: Mapping[str, np.ndarray]
    """float32 [row, side] a margin reward, such as chosen and rejected; empty for SFT."""
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """bool [row]; empty where rows have no label."""

    def means(self) -> dict[str, float]:
        """The mean of each margin reward of single completions; of pairs it cancels, and none is told."""
        alone = {name: values for name, values in self.rewards.items() if values.shape[1] == 1}
        return {name: float(values.mean(dtype=np.float64)) for name, values in alone.items()}

    def against(self, means: Mapping[str, float]) -> TextColumns:
        """The same with the rewards of single completions beside the mean that they are compared with, [row, 2]."""
        beside = {name: np.full_like(self.rewards[name], mean) for name, mean in means.items() if len(self.labels)}
        paired = {name: np.concatenate([self.rewards[name], mean], axis=1) for name, mean in beside.items()}
        return replace(self, rewards={**self.rewards, **paired})

    def spreads(self) -> dict[str, float]:
        """The spread of each margin reward over the pairs (`summpo.margin_rewards.margins.spread`)."""
        return {name: spread(values) for name, values in self.rewards.items()}

    def folders(self) -> list[Path]:
        """Where the columns lie in the store."""
        arrays = (self.tokenized.kept, *self.rewards.values())
        return [Path(str(array.filename)).parent for array in arrays if isinstance(array, np.memmap)]


class DataStage:
    """Makes a run's frozen columns, each read from the store where it is known."""

    def __init__(self, settings: ColumnSettings, base: Base, device: torch.device) -> None:
        """`device` is where frozen models compute."""
        make_current(device)
        self.settings, self.base, self.device = settings, base, device
        self.freezer = Freezer(base.store, base.tokenizer, base.tokenizer_fingerprint, settings.policy_module)
        self.models = FrozenModels(base.cache, take_base)

    def of_split(self, split: str, source: Any, read: Callable[[], Rows]) -> TextColumns:
        """What `from_text` makes of a split's rows, which are read, and let go of, only where an earlier run left none.

        Args:
            source: what the rows are made from, as `training.policy.source_of` tells it.
        """
        rewards = {name: self.cache_key(margin.reward) for name, margin in self.settings.margins.items()}
        of_tokens = (self.base.tokenizer_fingerprint, self.settings.prompt, self.settings.limits)
        made_from = (source, self.base.cache, of_tokens, rewards)
        return reused(f"{split} columns", made_from, lambda: self.from_text(read()), TextColumns.folders)

    def cache_key(self, reward: MarginReward) -> tuple[Any, ...]:
        """What decides a margin reward's values beside the rows and the tokenizer."""
        weights = reward.fingerprint(self.base.cache) if isinstance(reward, ModelReward) else None
        return reward, weights, self.base_cache_key() if isinstance(reward, AdapterReward) else None

    def base_cache_key(self) -> dict[str, Any]:
        """What decides log-ratios beside the adapter and the token rows."""
        base = fingerprint_model(replace(self.settings.model, adapter=None), self.base.cache)
        return {"model": base, "arithmetic": self.arithmetic()}

    def arithmetic(self, is_policy: bool = False) -> dict[str, Any]:
        """How a frozen model computes, where that shows in its last digits; `is_policy` as `make_policy` made it."""
        autocast = AUTOCAST[self.settings.precision]
        return {
            "precision": self.settings.precision,
            "autocast": None if autocast is None else str(autocast),
            "layout": "shared_prefix" if self.base.shares_prefixes else "padded",
            "compiled": is_policy and self.settings.compiles,
            **({} if self.settings.matmul_precision is None else {"matmul": self.settings.matmul_precision}),
        }

    def from_text(self, rows: Rows) -> TextColumns:
        """Token rows and margin rewards of a split."""
        tokenized, key = self.freezer.tokens(rows, self.settings.prompt, self.settings.limits)
        kept: list[TextRow] = [rows[index] for index in tokenized.kept]
        kept = without_ends(kept, self.base.tokenizer, self.settings.prompt)
        labels = np.array([row.label for row in kept if isinstance(row, LabelledRow)], bool)
        rewards = {name: margin.reward for name, margin in self.settings.margins.items()}
        if not rewards:
            return TextColumns(tokenized, key, {}, labels)
        found = self.freezer.margins(kept, rewards, self.context(tokenized))
        self.release()  # before the policy is loaded
        return TextColumns(tokenized, key, found, labels)

    def context(self, tokenized: Tokenized) -> Context:
        """What margin rewards that compute with models are given: device, base, and log-ratios under adapters on it."""
        base = replace(self.settings.model, adapter=None)

        def log_ratios(adapter: str) -> list[float]:
            """log pi / log ref of each row's completions, in turn."""
            of_adapter = self.log_probs(replace(base, adapter=adapter), tokenized)
            of_base = self.log_probs(base, tokenized)
            return summed_log_ratios(of_adapter, of_base)

        depends_on = {**self.base_cache_key(), "tokens": content_of(tokenized.rows)}
        return Context(self.base.cache, str(self.device), log_ratios, depends_on)

    def with_reference(
        self, text: TextColumns, spreads: Mapping[str, float], policy: nn.Module | None
    ) -> FrozenColumns:
        """All columns of a split.

        Args:
            spreads: the spread of each margin reward over the training pairs.
            policy: the model before its first step, None where it has trained already.

        Raises:
            UserError: a reward that is to be normalised is the same for both completions of every training pair.
        """
        settings = self.settings
        rows = settings.kind.token_rows(text.tokenized.rows, settings.limits.max_length)
        tokenized = replace(text.tokenized, rows=rows)
        margins = np.zeros((len(tokenized.rows), 0), np.float32)
        if text.rewards:
            margins = reward_differences(text.rewards, settings.margins, spreads)
        reference = None
        if settings.reference is not None:
            is_policy = settings.reference == settings.model
            reference = self.log_probs(settings.reference, tokenized, policy if is_policy else None)
        return FrozenColumns(rows, reference, margins, text.labels)

    def release(self) -> None:
        """Lets go of the frozen models: what they had to say is columns by now."""
        self.models.clear()

    def log_probs(self, model: Model, tokenized: Tokenized, loaded: nn.Module | None = None) -> tuple[Ragged, ...]:
        """A frozen model's token log-probs of a split's completions; `loaded` is the model, where it is in memory."""
        if not len(tokenized.rows):
            return ()

        def score(rows: TokenRows) -> tuple[Ragged, ...]:
            """The log-probs of the rows' completions; loads the model where it is not given."""
            given = None if loaded is None else loaded.to(self.device)
            with nullcontext(given) if given is not None else self.models.on(model, self.device) as frozen:
                return score_completions(
                    frozen,
                    rows,
                    batch_size=self.settings.batch_size,
                    layout=self.base.layout,
                    autocast=AUTOCAST[self.settings.precision],
                    progress=self.settings.shows_progress,
                )

        called = {"model": model.path, **({"adapter": model.adapter} if model.adapter else {})}
        weights, arithmetic = fingerprint_model(model, self.base.cache), self.arithmetic(loaded is not None)
        return self.freezer.reference(tokenized, weights, arithmetic, score, called)
