"""A step of summpo's: shared prefixes, and a reference that is a column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setting import BETA, LORA, Setting, draw_adapter, optimizer_of
from summpo.models.forward.layouts import Layout, pad, share_prefixes
from summpo.models.forward.log_probs import completion_log_probs
from summpo.models.forward.scoring import score_completions
from summpo.models.speed.activation_checkpointing import recompute_activations, start_recomputing
from summpo.models.speed.cached_autocast import cast_once
from summpo.models.speed.lora_layers import halve_lora
from summpo.models.weights.adapters import add_lora
from summpo.objectives.dpo import DPO
from summpo.records import FrozenColumns, PairBatch, TokenRows
from summpo.row_kinds import Moment
from summpo.row_kinds.pairs import Pairs, pair_batch


@dataclass(frozen=True)
class Summpo:
    """One policy and its optimizer."""

    setting: Setting
    policy: Any
    optimizer: torch.optim.Optimizer

    def batch(self, columns: FrozenColumns, rows: np.ndarray, layout: Layout = share_prefixes) -> PairBatch:
        share = np.full(len(rows), 1 / len(rows))
        return pair_batch(columns, rows, share, layout).to(self.setting.device)  # type: ignore[return-value]

    def padded(self, columns: FrozenColumns, rows: np.ndarray) -> PairBatch:
        """The same as padded rows."""
        return self.batch(columns, rows, partial(pad, pad_id=0))

    def step(self, batch: PairBatch) -> None:
        self.loss(batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def loss(self, batch: PairBatch) -> Tensor:
        no_margins = torch.zeros(0, device=self.setting.device)
        with self.setting.autocasting():
            moment = Moment((0,), torch.zeros(2))
            values = Pairs(DPO(BETA)).measure(self.policy, batch, no_margins, moment).values
        return (values["loss"] * batch.share).sum()

    def log_probs(self, batch: PairBatch) -> Tensor:
        with torch.no_grad(), self.setting.autocasting():
            return completion_log_probs(self.policy, batch).sums()

    def with_reference(self, rows: TokenRows, batch_size: int = 8) -> FrozenColumns:
        """The rows with the log-probs of the base model, by the scoring pass."""
        with self.policy.disable_adapter():
            reference = score_completions(
                self.policy,
                rows,
                batch_size=batch_size,
                layout=share_prefixes,
                autocast=self.setting.autocast,
                progress=False,
            )
        return FrozenColumns(rows, reference, np.zeros((len(rows), 0), np.float32))


def summpo_side(setting: Setting, checkpointed: bool) -> Summpo:
    """With a fresh policy, made as `summpo.training.policy.make_policy` makes it."""
    base = setting.base.shared_prefix(setting.weights, setting.device)
    cast_once(base, head=base.get_output_embeddings())
    recompute_activations(base, checkpointed)
    policy = add_lora(base, LORA).to(setting.device)
    halve_lora(policy)
    start_recomputing(policy)
    draw_adapter(policy)
    return Summpo(setting, policy, optimizer_of(policy))
