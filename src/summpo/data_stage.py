"""The data stage of a run: text rows to tokens, margins and the reference's log-probs, each a frozen column.

Two steps, because the policy comes between them: what needs text alone, and what the reference, which is often the
policy before its first step, has to compute. Nothing here depends on w, beta, the objective's form or the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn

from summpo.assemble import Base, Rows
from summpo.build import TrainParts
from summpo.errors import require
from summpo.freeze import Freezer, score_completions
from summpo.margins import margin_table, spread
from summpo.models.adapters import load_adapter
from summpo.models.fingerprints import fingerprint_adapter, fingerprint_tokenizer, fingerprint_weights
from summpo.models.loading import load_base as load_model
from summpo.models.loading import load_tokenizer
from summpo.models.sources import check_context, resolve
from summpo.records import FrozenColumns, Ragged, TokenRows
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
        """The standard deviation of each margin reward over the completions."""
        return {name: spread(values) for name, values in self.rewards.items()}


@dataclass(frozen=True)
class DataStage:
    """Makes a run's frozen columns, each read from the store where it is known."""

    parts: TrainParts
    base: Base
    config: DictConfig

    @property
    def freezer(self) -> Freezer:
        return Freezer(self.base.store, self.base.tokenizer, fingerprint_tokenizer(self.base.tokenizer))

    def from_text(self, rows: Rows) -> TextColumns:
        """Token rows and margin rewards of a split."""
        freezer, parts = self.freezer, self.parts
        tokenized, key = freezer.tokens(rows, parts.prompt, parts.limits)
        if not parts.on_pairs:
            return TextColumns(tokenized, key, {})
        rewards = {name: margin.reward for name, margin in parts.margins.items()}
        return TextColumns(tokenized, key, freezer.margins(rows, tokenized.kept, rewards))  # type: ignore[arg-type]

    def with_reference(
        self, text: TextColumns, spreads: Mapping[str, float], policy: nn.Module | None, device: torch.device
    ) -> FrozenColumns:
        """All columns of a split.

        Args:
            spreads: the standard deviation of each margin reward over the training completions.
            policy: the model before its first step, None where it has trained already.

        Raises:
            UserError: a reward that is to be normalised is the same for all training completions.
        """
        tokenized, parts = text.tokenized, self.parts
        margins = np.zeros((len(tokenized.rows), 0), np.float32)
        if text.rewards:
            margins = margin_table(text.rewards, parts.margins, spreads)
        reference = self.reference(tokenized, policy, device) if parts.needs_reference else None
        return FrozenColumns(tokenized.rows, reference, margins)

    def reference(self, tokenized: Tokenized, policy: nn.Module | None, device: torch.device) -> tuple[Ragged, ...]:
        """The reference's token log-probs of a split's completions."""
        reference, cache = self.parts.reference, self.base.cache
        weights = {
            "model": fingerprint_weights(resolve(reference, cache), cache),
            "adapter": fingerprint_adapter(Path(reference.adapter)) if reference.adapter else None,
            "settings": [reference.dtype, reference.quantization, reference.attention],
        }
        score = self.scorer(policy, device)
        return self.freezer.reference(tokenized, weights, self.config.trainer.precision, score)

    def scorer(self, policy: nn.Module | None, device: torch.device) -> Callable[[TokenRows], tuple[Ragged, ...]]:
        """The function that gives rows their reference log-probs.

        Where the reference is what the policy starts from, the `policy` before its first step is the reference.
        """

        def score(rows: TokenRows) -> tuple[Ragged, ...]:
            """The reference's log-probs of the rows' completions; loads the reference where it is another model."""
            is_policy = policy is not None and self.parts.reference == self.parts.model
            model = policy if is_policy else self.load_reference()
            return score_completions(
                model.to(device),  # type: ignore[union-attr]
                rows,
                batch_size=self.config.eval_batch_size,
                pad_id=self.base.pad_id,
                autocast=AUTOCAST[self.config.trainer.precision],
                progress=self.config.trainer.enable_progress_bar,
            )

        return score

    def load_reference(self) -> nn.Module:
        """The frozen model that the config names as the reference."""
        reference, cache = self.parts.reference, self.base.cache
        folder = resolve(reference, cache)
        model = load_model(folder, reference)
        if reference.adapter is None:
            return model
        weights = fingerprint_weights(folder, cache)
        return load_adapter(model, Path(reference.adapter), weights, trainable=False)


def require_rows(train: TextColumns, max_length: int) -> None:
    """Stops a run that has nothing to train on, and says where the rows went."""
    reasons = ", ".join(f"{name} {n}" for name, n in train.tokenized.counts.items()) or "the split is empty"
    require(len(train.tokenized.rows) > 0, f"no training row is left ({reasons}); tokens.max_length is {max_length}")


def check_reference(parts: TrainParts, base: Base) -> None:
    """Checks that the reference reads the policy's tokens: another vocabulary would give numbers without meaning.

    Raises:
        UserError: its tokenizer is another, or its context too short.
    """
    if not parts.needs_reference or parts.reference.path == parts.model.path:
        return
    folder = resolve(parts.reference, base.cache)
    check_context(folder, parts.limits.max_length)
    tokenizer = load_tokenizer(folder, parts.reference.trust_remote_code)
    require(
        fingerprint_tokenizer(tokenizer) == fingerprint_tokenizer(base.tokenizer),
        f"the reference {parts.reference.path} has another tokenizer than the model {parts.model.path} "
        "(config key reference.path)",
    )
