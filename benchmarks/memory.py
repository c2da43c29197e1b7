"""Peak memory of a step above weights, optimizer and gradients, each side in a process of its own.

On the CPU it is the highest resident memory of a second step, beyond what the process holds when the first is over.
malloc is told to give freed memory back at once, else the first step's would hide the second's. On CUDA it is what
torch's allocator had handed out at most.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pairs import Shape, random_pairs
from sides import BEST, DEFAULTS, SUMMPO, SUMMPO_CHECKPOINTED, Setting, make_side
from summpo.records import FrozenColumns, Ragged
from table import Row

MIB = 2**20
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@dataclass(frozen=True)
class Comparison:
    """Two sides, and the share that summpo's is to have."""

    ours: str
    theirs: str
    goal: str


COMPARISONS = (Comparison(SUMMPO, BEST, "0.3x"), Comparison(SUMMPO_CHECKPOINTED, DEFAULTS, "0.1x"))


def rows(shape: Shape, setting: Setting) -> list[Row]:
    """A row a comparison."""
    found = []
    for each in COMPARISONS:
        ours, theirs = (in_child(name, shape, setting) for name in (each.ours, each.theirs))
        checkpointed = ", activations computed again" if each.ours == SUMMPO_CHECKPOINTED else ""
        what = f"memory of a step above weights and optimizer, {shape}, float32{checkpointed}"
        share = f"{ours / theirs:.2f}x"
        found.append(Row(what, each.theirs, f"{theirs / MIB:.0f} MiB", f"{ours / MIB:.0f} MiB", share, each.goal))
    return found


def in_child(name: str, shape: Shape, setting: Setting) -> int:
    """Bytes, from `python memory.py` with these arguments."""
    arguments = [name, str(setting.model), setting.device, *map(str, (shape.prompt, shape.completion, shape.pairs))]
    arguments.append(str(torch.get_num_threads()))
    command = [sys.executable, __file__, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | GIVES_BACK)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return int(ended.stdout.split()[-1])


def peak_of_step(name: str, shape: Shape, setting: Setting) -> int:
    """Bytes of the second step of one side."""
    side = make_side(name, setting)
    columns = random_columns(shape)
    batch = side.batch(columns, np.arange(shape.pairs))
    side.step(batch)
    gc.collect()
    if setting.device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        side.step(batch)
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = status("VmRSS")
    side.step(batch)
    return status("VmHWM") - before


def give_back() -> None:
    """Hands the memory that is free in this process back to the system, for the next side to have."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def available() -> int:
    """Bytes that the system could still give, by /proc/meminfo."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    assert found is not None, "no MemAvailable: needs Linux"
    return int(found[1]) * 1024


def status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None, f"no {field}: needs Linux"
    return int(found[1]) * 1024


def random_columns(shape: Shape) -> FrozenColumns:
    """Random pairs; their reference is 0 everywhere, which changes no size."""
    rows = random_pairs(shape, vocabulary=49_000)
    reference = tuple(Ragged(np.zeros(len(s.values), np.float32), s.offsets) for s in rows.completions)
    return FrozenColumns(rows, reference, np.zeros((shape.pairs, 0), np.float32))


def main() -> None:
    """One side's bytes, as the last word of the output."""
    name, model, device, prompt, completion, pairs, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    shape = Shape(int(prompt), int(completion), int(pairs))
    print(peak_of_step(name, shape, Setting(Path(model), device, None)))


if __name__ == "__main__":
    main()
