"""Devices that are asked for by name: whether torch can use them here. Asked before anything is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from shutil import which
from typing import TYPE_CHECKING

from summpo.errors import require

if TYPE_CHECKING:
    import torch


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
        require(
            not is_cpu(accelerator),
            "flex_attention has no backward pass on the CPU: choose sdpa (config key model.attention)",
        )
    if not compiles:
        return
    if is_cpu(accelerator):
        compiler = os.environ.get("CXX", "g++")
        sentence = f"compile=true needs a C++ compiler, and there is no {compiler} (environment variable CXX)"
        require(which(compiler) is not None, sentence)
    elif accelerator != "mps" and has_cuda():
        sentence = "compile=true needs Triton on a GPU, and it is not installed (pip install triton)"
        require(find_spec("triton") is not None, sentence)


def is_cpu(accelerator: str) -> bool:
    """Whether Lightning trains on the CPU by this name: of auto, where there is no GPU of any kind."""
    if accelerator != "auto":
        return accelerator == "cpu"
    import torch

    return not (has_cuda() or torch.backends.mps.is_available())


def has_cuda() -> bool:
    """Whether torch can use a CUDA device here."""
    import torch

    return torch.cuda.is_available()


def device_named(accelerator: str, key: str = "accelerator") -> str:
    """The device of a name, as torch calls it, with its index: cpu, or cuda:0.

    Args:
        accelerator: cpu; gpu, the current CUDA device; cuda:1, that one; auto, a CUDA device where there is one.
        key: the config key that it comes from.

    Raises:
        UserError: it is asked for and not there.
    """
    if accelerator == "cpu":  # without waiting for torch
        return "cpu"
    import torch

    there = torch.cuda.device_count()
    if accelerator == "auto" and not there:
        return "cpu"
    require(there > 0, f"there is no GPU that torch can use here, got {accelerator} (config key {key})")
    _, _, index = accelerator.partition(":")
    wanted = int(index) if index else torch.cuda.current_device()
    require(wanted < there, f"there is no cuda:{wanted} here, the last one is cuda:{there - 1} (config key {key})")
    return f"cuda:{wanted}"


def check_name(accelerator: str) -> None:
    """Refuses what names no device.

    Raises:
        UserError: naming the config key.
    """
    is_one = accelerator in ("cpu", "gpu", "auto") or re.fullmatch(r"cuda:\d+", accelerator) is not None
    require(is_one, f"accelerator must be one of cpu, gpu, auto, cuda:0, cuda:1 ..., got {accelerator}")


def make_current(device: torch.device) -> None:
    """Makes a CUDA device the one that is meant where none is named, as by what quantises weights."""
    if device.type == "cuda":
        import torch

        torch.cuda.set_device(device)


@contextmanager
def float32_products(precision: str | None) -> Iterator[None]:
    """Has torch compute float32 matrix products at a precision, and as before afterwards; None changes nothing."""
    import torch

    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision or before)
        yield
    finally:
        torch.set_float32_matmul_precision(before)
