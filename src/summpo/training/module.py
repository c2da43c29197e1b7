"""Lightning's modules: the order of a training step, and the names under which its numbers are logged. No formula."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from summpo.models.forward.log_probs import completion_log_probs
from summpo.models.forward.sequence_scores import sequence_scores
from summpo.models.speed.activation_checkpointing import start_recomputing
from summpo.objectives import CompletionObjective, PairwiseObjective, ScoreObjective, needs_collisions
from summpo.objectives.losses import weighted_margin
from summpo.records import Batch, LogProbs, PairBatch, PairLogProbs
from summpo.row_kinds import metrics
from summpo.training.optimizers import AdamW
from summpo.training.plan import Plan

SEEDS = 2**63
"""torch takes seeds below this."""


class BadLoss(Exception):
    """The loss is not finite: training stops, the last good checkpoint stays."""


class _Training(LightningModule):
    """What SFT and preference training share: the optimizer, the mean over a step, the mean over a validation."""

    def __init__(self, policy: nn.Module, optimizer: AdamW, plan: Plan, total_steps: int) -> None:
        super().__init__()
        self.policy = policy
        self.optimizer, self.total_steps = optimizer, total_steps
        self.accumulate, self.seed = plan.accumulate, plan.seed
        self.step_metrics: dict[str, float] = {}
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
        """Keeps what trains: an adapter run's checkpoint is the size of the adapter, not of the model."""
        trainable = {name for name, p in self.named_parameters() if p.requires_grad}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in trainable}

    def _add_to_step(self, batch: Batch, loss: Tensor, values: dict[str, Tensor], batch_idx: int) -> None:
        """Adds a batch's share to the step's metrics; logs them when the optimizer is about to step.

        Raises:
            BadLoss: a loss is not finite, in this process or another.
        """
        self._stop_at(_faults(batch, loss), f"the loss of step {self.global_step + 1}")
        for name, value in {"loss": loss.detach(), **values}.items():
            self.step_metrics[name] = self.step_metrics.get(name, 0.0) + value.item() / self.accumulate
        if (batch_idx + 1) % self.accumulate == 0 or self.trainer.is_last_batch:
            for name, value in self.step_metrics.items():
                self.log(f"train/{name}", value, sync_dist=self.trainer.world_size > 1, prog_bar=name == "loss")
            self.step_metrics = {}

    def _stop_at(self, faults: Sequence[str], what: str) -> None:
        """Raises BadLoss in every process if one of them has a fault: no process waits for one that has stopped."""
        if self.trainer.world_size > 1:
            found = torch.tensor(float(len(faults)), device=self.device)
            if self.trainer.strategy.reduce(found, reduce_op="sum") > 0:
                everyone: list[Any] = [None] * self.trainer.world_size
                torch.distributed.all_gather_object(everyone, list(faults))
                faults = [fault for each in everyone for fault in each]
        if faults:
            raise BadLoss(f"{what} is {'; '.join(faults)}")

    def on_validation_epoch_start(self) -> None:
        self.validation_sums = {}
        self.validation_faults = []

    def _add_to_validation(self, batch: Batch, values: dict[str, Tensor], share: Tensor) -> None:
        """Adds a batch to the sums; `share` is 0 for what only fills up a process's batch, 1 for all else."""
        self.validation_faults += _faults(batch, (values["loss"] * share).sum())
        for name, value in values.items():
            total = (value * share).sum().double().item()
            self.validation_sums[name] = self.validation_sums.get(name, 0.0) + total

    def _log_validation(self, counts: str) -> None:
        """Logs exact means over all processes' rows: sums are added up before they are divided by the count.

        Raises:
            BadLoss: a loss is not finite, in this process or another.
        """
        self._stop_at(self.validation_faults, f"the validation loss after step {self.global_step}")
        names = sorted(self.validation_sums)
        sums = torch.tensor([self.validation_sums[name] for name in names], dtype=torch.float64, device=self.device)
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")  # type: ignore[assignment]
        totals = dict(zip(names, sums.tolist(), strict=True))
        for name in names:
            if name != counts:
                # every process has the same sums by now, so there is nothing left to synchronise
                self.log(f"val/{name}", totals[name] / totals[counts], prog_bar=name == "loss", rank_zero_only=False)


def _faults(batch: Batch, loss: Tensor) -> list[str]:
    """Nothing for a finite loss, else its value and the batch's rows, for the sentence that stops the run."""
    return [] if torch.isfinite(loss) else [f"{loss.item()} on the rows {', '.join(batch.row_ids)}"]


class SFTModule(_Training):
    """Trains on single completions; the loss is the mean over the step's completion tokens."""

    def __init__(
        self,
        policy: nn.Module,
        objective: CompletionObjective,
        optimizer: AdamW,
        plan: Plan,
        total_steps: int,
    ) -> None:
        super().__init__(policy, optimizer, plan, total_steps)
        self.objective = objective

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        losses = self.objective.token_loss(completion_log_probs(self.policy, batch))
        loss = (losses * torch.repeat_interleave(batch.share, batch.lengths)).sum()
        self._add_to_step(batch, loss, {}, batch_idx)
        return loss

    def validation_step(self, batch: Batch) -> None:
        losses = self.objective.token_loss(completion_log_probs(self.policy, batch))
        share = torch.repeat_interleave(batch.share, batch.lengths)
        self._add_to_validation(batch, {"loss": losses, "token": torch.ones_like(losses)}, share)

    def on_validation_epoch_end(self) -> None:
        self._log_validation(counts="token")


def row_seeds(row_ids: Sequence[str], *draw: int) -> np.ndarray:
    """int64 [row]: a seed of each row and `draw` (the run's seed, the step); no neighbour and no process changes it."""
    salt = "/".join(map(str, draw))
    return np.array([zlib.crc32(f"{salt}/{row_id}".encode()) for row_id in row_ids], np.int64)


def pair_values(
    model: nn.Module,
    batch: PairBatch,
    objective: PairwiseObjective | ScoreObjective,
    weights: Tensor,
    seeds: np.ndarray,
) -> dict[str, Tensor]:
    """The loss and the metrics of each pair, [pair], from the model's own forward and the batch's frozen columns."""
    margin = weighted_margin(batch.margins, weights)
    if isinstance(objective, ScoreObjective):
        made = objective.score_losses(sequence_scores(model, batch), margin)
        rewards, log_probs = {"reward": made.rewards}, {}
    else:
        policy = completion_log_probs(model, batch, collisions=needs_collisions(objective))
        reference = LogProbs(batch.reference, batch.lengths)
        made = objective.losses(PairLogProbs(policy, reference, seeds), margin)
        rewards, log_probs = {"implicit_reward": made.rewards}, {"log_prob": policy.sums()}
    reward_chosen, reward_rejected = made.rewards.chunk(2)
    return {
        "loss": made.loss,
        "reward_accuracy": metrics.accuracy(reward_chosen - reward_rejected),
        "reward_accuracy_with_margin": metrics.accuracy(made.logit),
        "reward_margin": reward_chosen - reward_rejected,
        "weighted_margin": margin,
        **by_side(rewards | log_probs),
    }


def by_side(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values of sequences, [sequence], as those of the chosen and of the rejected, [pair]."""
    return {
        f"{name}_{side}": part
        for name, value in values.items()
        for side, part in zip(("chosen", "rejected"), value.chunk(2), strict=True)
    }


class PreferenceModule(_Training):
    """Trains on pairs; the loss is the mean over the step's pairs. Holds one model: the reference is a column."""

    def __init__(
        self,
        policy: nn.Module,
        objective: PairwiseObjective | ScoreObjective,
        weights: list[float],
        optimizer: AdamW,
        plan: Plan,
        total_steps: int,
    ) -> None:
        super().__init__(policy, optimizer, plan, total_steps)
        self.objective = objective
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def per_pair(self, batch: PairBatch, *draw: int) -> dict[str, Tensor]:
        """The loss and the metrics of each pair, [pair]."""
        seeds = row_seeds(batch.row_ids, self.seed, *draw)
        return pair_values(self.policy, batch, self.objective, self.weights, seeds)  # type: ignore[arg-type]

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        shares = {name: (value * batch.share).sum() for name, value in self.per_pair(batch, batch_idx).items()}
        loss = shares.pop("loss")
        self._add_to_step(batch, loss, {name: value.detach() for name, value in shares.items()}, batch_idx)
        return loss

    def validation_step(self, batch: PairBatch) -> None:
        values = self.per_pair(batch)
        self._add_to_validation(batch, {**values, "pair": torch.ones_like(values["loss"])}, batch.share)

    def on_validation_epoch_end(self) -> None:
        self._log_validation(counts="pair")
