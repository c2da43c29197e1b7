"""Peak memory of a step above weights, optimizer and gradients, each side in a process of its own.

On the CPU it is the highest resident memory of a second step, beyond what the process holds when the first is over.
malloc is told to give freed memory back at once, else the first step's would hide the second's. On CUDA it is what
torch's allocator had handed out at most.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bases import Folder
from fresh_process import last_line_of
from pairs import Shape, random_columns
from process_memory import peak_while
from setting import Setting
from sides import BEST, DEFAULTS, SUMMPO, SUMMPO_CHECKPOINTED, make_side
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


def rows(shape: Shape, model: Path, device: str) -> list[Row]:
    """A row a comparison."""
    found = []
    for each in COMPARISONS:
        ours, theirs = (in_child(name, shape, model, device) for name in (each.ours, each.theirs))
        checkpointed = ", activations computed again" if each.ours == SUMMPO_CHECKPOINTED else ""
        what = f"memory of a step above weights and optimizer, {shape}, float32{checkpointed}"
        share = f"{ours / theirs:.2f}x"
        found.append(Row(what, each.theirs, f"{theirs / MIB:.0f} MiB", f"{ours / MIB:.0f} MiB", share, each.goal))
    return found


def in_child(name: str, shape: Shape, model: Path, device: str) -> int:
    """Bytes, from `python memory.py` with these arguments."""
    arguments = [name, model, device, shape.prompt, shape.completion, shape.pairs, torch.get_num_threads()]
    return int(last_line_of("memory.py", arguments, GIVES_BACK))


def peak_of_step(name: str, shape: Shape, setting: Setting) -> int:
    """Bytes of the second step of one side. The reference is 0 everywhere, which changes no size."""
    side = make_side(name, setting)
    batch = side.batch(random_columns(shape, setting.base.vocabulary), np.arange(shape.pairs))
    side.step(batch)
    before, peak = peak_while(lambda: side.step(batch), setting.device)
    return peak - before


def main() -> None:
    """One side's bytes, as the last line of the output."""
    name, model, device, prompt, completion, pairs, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    shape = Shape(int(prompt), int(completion), int(pairs))
    print(peak_of_step(name, shape, Setting(Folder(Path(model)), device)))


if __name__ == "__main__":
    main()
