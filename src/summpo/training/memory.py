"""What a step takes of a GPU's memory, said once where most of it is idle: small batches leave a GPU waiting."""

import logging

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

STEPS = 5
"""After how many steps it is said: the optimizer has its state by then, and batches of several lengths have been."""
GIB = 2**30


class MemoryNote(Callback):
    """Says after a few steps on a GPU how much larger batches could be, where that is twice or more."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        device = pl_module.device
        if device.type != "cuda" or not trainer.is_global_zero or batch_idx + 1 != STEPS:
            return
        taken, (_, there) = torch.cuda.max_memory_allocated(device), torch.cuda.mem_get_info(device)
        times = int(there // max(taken, 1))
        if times >= 2:
            log.info(
                f"memory: steps take {taken / GIB:.1f} of {there / GIB:.0f} GiB of {device}; batches up to "
                f"{times} times as large fit (batch_size, batch_tokens), and keep a GPU busier"
            )
