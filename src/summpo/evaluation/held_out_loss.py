"""The loss of a run's own validation rows under any model that reads its tokens, computed as the run's val/loss was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn

from summpo.columns.base import load_base
from summpo.columns.reuse import Shared
from summpo.columns.stage import AUTOCAST, DataStage
from summpo.models.forward.layouts import Layout
from summpo.models.forward.log_probs import completion_log_probs
from summpo.objectives import CompletionObjective
from summpo.records import FrozenColumns
from summpo.runs.run_folder import RunFolder
from summpo.training.module import pair_values, row_seeds
from summpo.training.parts import TrainParts, trained_parts
from summpo.training.plan import completion_batch, pair_batch
from summpo.training.policy import held_out_rows


@dataclass(frozen=True)
class HeldOutLoss:
    """The validation columns of a run, the reference's among them, and how the run computes with them."""

    parts: TrainParts
    columns: FrozenColumns
    layout: Layout
    device: torch.device
    batch_size: int
    seed: int
    autocast: torch.dtype | None

    def __len__(self) -> int:
        return len(self.columns)

    @torch.inference_mode()
    def __call__(self, model: nn.Module) -> float:
        """The mean over the rows' pairs, or over their completion tokens (SFT). The model goes to the device."""
        model = model.to(self.device).eval()
        total, units = 0.0, 0
        for first in range(0, len(self.columns), self.batch_size):
            chunk = np.arange(first, min(first + self.batch_size, len(self.columns)))
            with torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None):
                losses = self._losses(model, chunk)
            total += losses.sum().double().item()
            units += len(losses)
        return total / units

    def _losses(self, model: nn.Module, rows: np.ndarray) -> torch.Tensor:
        """The loss of each pair, or of each completion token, of these rows."""
        objective, share = self.parts.objective, np.ones(len(rows))
        if isinstance(objective, CompletionObjective):
            batch = completion_batch(self.columns, rows, share, self.layout).to(self.device)
            return objective.token_loss(completion_log_probs(model, batch))
        pairs = pair_batch(self.columns, rows, share, self.layout).to(self.device)
        weights = torch.tensor([margin.weight for margin in self.parts.margins.values()], device=self.device)
        seeds = row_seeds(pairs.row_ids, self.seed)
        return pair_values(model, pairs, objective, weights, seeds)["loss"]  # pyright: ignore[reportArgumentType]


def held_out_loss(folder: Path, config: DictConfig, accelerator: str) -> HeldOutLoss | None:
    """The loss of the validation rows of the run in `folder`; None where it has none.

    Args:
        config: what the run was trained with; its validation.rows may be fewer by now.
        accelerator: cpu, or gpu for the current CUDA device.

    Raises:
        UserError: the rows or the reference's model are not there any more.
    """
    parts = trained_parts(config)
    rows = held_out_rows(parts, config)
    if not rows:
        return None
    shared = Shared()
    settings = parts.columns(config)
    base = load_base(settings, shared)
    stage = DataStage(settings, base, shared)
    text = stage.from_text(rows)
    if not len(text.tokenized.rows):
        return None
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    spreads = (RunFolder(folder).read_summary() or {}).get("margin_spreads", {})
    columns = stage.with_reference(text, spreads, None, device)
    stage.release()
    return HeldOutLoss(
        parts, columns, base.layout, device, config.eval_batch_size, config.seed, AUTOCAST[config.trainer.precision]
    )
