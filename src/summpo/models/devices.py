"""Devices that are asked for by name: whether torch can use them here. Asked before anything is loaded."""

from __future__ import annotations

import os
from shutil import which

from summpo.errors import require


def check_device(accelerator: str) -> None:
    """Stops a run for a device that is not there.

    Raises:
        UserError: naming the device.
    """
    if accelerator in ("cpu", "auto"):
        return
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = {"gpu": has_cuda or has_mps, "cuda": has_cuda, "mps": has_mps}
    require(
        there.get(accelerator, True),
        f"there is no {accelerator} that torch can use here, got {accelerator} (config key trainer.accelerator)",
    )


def check_kernels(accelerator: str, attention: str, compiles: bool) -> None:
    """Stops a run whose kernels cannot train on its device, or cannot be compiled here.

    Raises:
        UserError: naming the config key.
    """
    if attention == "flex_attention":
        import torch

        on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available())
        require(not on_cpu, "flex_attention has no backward pass on the CPU: choose sdpa (config key model.attention)")
    compiler = os.environ.get("CXX", "g++")
    require(
        not compiles or which(compiler) is not None,
        f"compile=true needs a C++ compiler, and there is no {compiler} (environment variable CXX)",
    )


def writing_device(accelerator: str) -> str:
    """Where summaries are written and scored: cpu or gpu (CUDA); of auto, a GPU where there is one.

    Raises:
        UserError: gpu is asked for and there is none.
    """
    if accelerator == "cpu":  # without waiting for torch
        return "cpu"
    import torch

    has_gpu = torch.cuda.is_available()
    sentence = "there is no GPU that torch can use here, got gpu (config key accelerator)"
    require(has_gpu or accelerator == "auto", sentence)
    return "gpu" if has_gpu else "cpu"
