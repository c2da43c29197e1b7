"""Lightning's module: the order of a training step, and the names under which its numbers are logged. No formula."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from summpo.models.speed.activation_checkpointing import start_recomputing
from summpo.records import Batch
from summpo.row_kinds import Measured, Moment, RowKind
from summpo.training.optimizers import AdamW
from summpo.training.plan import Plan

SEEDS = 2**63
"""torch takes seeds below this."""
UNITS = "units"
"""Beside the sums of a validation: how many units they are of."""


class BadLoss(Exception):
    """The loss is not finite: training stops, the last good checkpoint stays."""


class TrainingModule(LightningModule):
    """Trains on any kind of rows; the loss is the mean over a step's units. One model: the reference is a column."""

    def __init__(
        self,
        policy: nn.Module,
        kind: RowKind,
        weights: Sequence[float],
        optimizer: AdamW,
        plan: Plan,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.policy, self.kind = policy, kind
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)
        self.register_buffer("carried", torch.zeros(2))
        self.optimizer, self.total_steps = optimizer, total_steps
        self.accumulate, self.seed = plan.accumulate, plan.seed
        self.is_due = True
        self.step_parts: list[tuple[tuple[str, ...], dict[str, Tensor]]] = []
        self.validation_sums: dict[str, float] = {}
        self.validation_faults: list[str] = []
        self.strict_loading = False  # a checkpoint holds the trainable weights alone

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer, schedule = self.optimizer.build(self.policy.parameters(), self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_fit_start(self) -> None:
        """The adapter's dropout is the only one; the base's own stays off, as it is in the reference.

        Said here and not left to the mode that the policy came in, which differs with whether it had to score the
        reference's column first: a resumed run would drop what the first one kept.
        """
        self.eval()
        for name, layer in self.named_modules():
            if "lora_dropout" in name:
                layer.train()
        start_recomputing(self.policy)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Dropout depends on (seed, batch, rank) alone, so a resumed run draws what it would have drawn."""
        torch.manual_seed(((self.seed * 1_000_003 + batch_idx) * 1_009 + self.global_rank) % SEEDS)

    def on_train_end(self) -> None:
        """No loss comes after the last step to show what it did to the weights."""
        trained = (p for p in self.parameters() if p.requires_grad)
        if not all(bool(torch.isfinite(p).all()) for p in trained):
            raise BadLoss(f"the weights are not finite after the last step, {self.global_step}")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps what trains and what a step hands on: an adapter run's checkpoint is not of the size of the model."""
        kept = {name for name, p in self.named_parameters() if p.requires_grad}
        if self.carried[1] > 0:
            kept.add("carried")
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in kept}

    def measure(self, batch: Batch, *draw: int, total: Callable[[Tensor], Tensor] | None = None) -> Measured:
        """The loss and the metrics of a batch."""
        moment = Moment((self.seed, *draw), self.carried, total)  # type: ignore[arg-type]
        return self.kind.measure(self.policy, batch, self.weights, moment)  # type: ignore[arg-type]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        measured = self.measure(batch, batch_idx, total=self._total)
        if measured.carried is not None:
            self.carried = measured.carried
        shares = {name: (value * measured.share).sum() for name, value in measured.values.items()}
        self.is_due = (batch_idx + 1) % self.accumulate == 0 or self.trainer.is_last_batch
        self.step_parts.append((batch.row_ids, {name: value.detach() for name, value in shares.items()}))
        return shares["loss"]

    def validation_step(self, batch: Batch) -> None:
        measured = self.measure(batch)
        self._add_to_validation(batch, measured.values, measured.share)
        for name, (value, among) in measured.among.items():
            self._add_to_validation(batch, {name: value}, measured.share * among, of=f"/{name}")

    def _total(self, value: Tensor) -> Tensor:
        """Summed over all processes."""
        if self.trainer.world_size > 1:
            value = value.clone()
            torch.distributed.all_reduce(value)
        return value

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Logs the step's metrics. The host waits here for its device, and nowhere else in a step.

        Raises:
            BadLoss: a loss is not finite, in this process or another; the weights are as they were.
        """
        if not self.is_due:  # a strategy that accumulates by itself asks after every batch
            return
        step, self.step_parts = self.step_parts, []
        names = list(step[0][1])
        loss_at = names.index("loss")
        own = torch.stack([torch.stack(list(shares.values())) for _, shares in step])  # [batch, metric]
        if own.device.type == "mps":  # it has no float64
            own = own.cpu()
        mean = (own.double() / self.accumulate).sum(0).float() / self.trainer.world_size
        faulty = (~own[:, loss_at].isfinite()).sum()
        *values, faults_found = self._total(torch.cat([mean, faulty.float().unsqueeze(0)])).cpu()
        if faults_found > 0:
            losses = own[:, loss_at].tolist()
            faults = [fault for (ids, _), loss in zip(step, losses, strict=True) for fault in _faults(ids, loss)]
            self._stop_at(faults, f"the loss of step {self.global_step + 1}")
        for name, value in zip(names, values, strict=True):
            self.log(f"train/{name}", value, prog_bar=name == "loss")

    def _stop_at(self, faults: Sequence[str], what: str) -> None:
        """Raises BadLoss in every process if one of them has a fault: no process waits for one that has stopped."""
        if self.trainer.world_size > 1:
            everyone: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everyone, list(faults))
            faults = [fault for each in everyone for fault in each]
        if faults:
            raise BadLoss(f"{what} is {'; '.join(faults)}")

    def on_validation_epoch_start(self) -> None:
        self.validation_sums = {}
        self.validation_faults = []

    def _add_to_validation(self, batch: Batch, values: Mapping[str, Tensor], share: Tensor, of: str = "") -> None:
        """Adds a batch to the sums; `share` is 0 for what only fills up a process's batch, 1 for all else.

        Args:
            of: the name of the units that are counted; empty for all of them.
        """
        values = {**values, UNITS + of: torch.ones_like(share)}
        totals = torch.stack([(value * share).sum() for value in values.values()]).tolist()
        for name, total in zip(values, totals, strict=True):
            self.validation_sums[name] = self.validation_sums.get(name, 0.0) + total
            if name == "loss":
                self.validation_faults += _faults(batch.row_ids, total)

    def on_validation_epoch_end(self) -> None:
        """Logs exact means over all processes' units: sums are added up before they are divided by the count.

        Raises:
            BadLoss: a loss is not finite, in this process or another.
        """
        self._stop_at(self.validation_faults, f"the validation loss after step {self.global_step}")
        names = sorted(self.validation_sums)
        totals = self.validation_sums
        if self.trainer.world_size > 1:
            sums = torch.tensor([totals[name] for name in names], dtype=torch.float64, device=self.device)
            totals = dict(zip(names, self._total(sums).tolist(), strict=True))
        for name, total in totals.items():
            units = totals.get(f"{UNITS}/{name}", totals[UNITS])
            if not name.startswith(UNITS) and units:
                # every process has the same sums by now, so there is nothing left to synchronise
                self.log(f"val/{name}", total / units, prog_bar=name == "loss", rank_zero_only=False)


def _faults(row_ids: Sequence[str], loss: float) -> list[str]:
    """Nothing for a finite loss, else its value and the batch's rows, for the sentence that stops the run."""
    return [] if math.isfinite(loss) else [f"{loss} on the rows {', '.join(row_ids)}"]
