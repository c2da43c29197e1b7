"""What a process holds: resident memory by Linux's own count, and on CUDA what torch's allocator has handed out."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch


def peak_while(work: Callable[[], object], device: str) -> tuple[int, int]:
    """Bytes held before, and at most while the work is done."""
    gc.collect()
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return before, torch.cuda.max_memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = status("VmRSS")
    work()
    return before, status("VmHWM")


def give_back() -> None:
    """Hands the memory that is free in this process back to the system, for the next side to have."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def available() -> int:
    """Bytes that the system could still give."""
    return _field("/proc/meminfo", "MemAvailable")


def status(field: str) -> int:
    """A field of /proc/self/status in bytes: VmRSS, VmHWM, or RssAnon (resident and no file's)."""
    return _field("/proc/self/status", field)


def _field(file: str, field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(file).read_text())
    assert found is not None, f"no {field}: needs Linux"
    return int(found[1]) * 1024
