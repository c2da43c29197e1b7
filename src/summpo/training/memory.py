"""What a step takes of a GPU's memory, said once where most of it is idle: small batches leave a GPU waiting."""

import logging

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

STEPS = 5
"""After how many steps of the optimizer it is said: it has its state by then, and batches had several lengths."""
GIB = 2**30


class MemoryNote(Callback):
    """Says after a few steps on a GPU how much larger batches could be, where that is twice or more."""

    def __init__(self) -> None:
        self.steps_before = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps_before = trainer.global_step
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """The step's last batch: what is taken by then is the most that a step takes."""
        device, steps = pl_module.device, trainer.global_step - self.steps_before
        is_due = steps == STEPS and (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if device.type != "cuda" or not trainer.is_global_zero or not is_due:
            return
        free, _ = torch.cuda.mem_get_info(device)
        taken, there = torch.cuda.max_memory_allocated(device), free + torch.cuda.memory_reserved(device)
        times = int(there // max(taken, 1))
        if times >= 2:
            log.info(
                f"memory: steps take {taken / GIB:.1f} of the {there / GIB:.0f} GiB that this process can have of "
                f"{device}; batches up to {times} times as large fit (batch_size, batch_tokens), and keep a GPU busier"
            )
