"""How a trainer of TRL's is set to do what a run of summpo does, and nothing beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plain(folder: Path, batch: int, seed: int) -> dict[str, Any]:
    """In float32 on the CPU, rows in the order given, one batch a step, a line of metrics a step, no checkpoints."""
    return {
        "output_dir": str(folder),
        "lr_scheduler_type": "cosine",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "per_device_train_batch_size": batch,
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "max_length": None,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "seed": seed,
        "disable_tqdm": True,
    }
