"""A step of one side on random weights of a size, in a process of its own: seconds, FLOPs, and all memory it takes.

`sized_models.py` runs it. What it says last is a line of JSON; null where the device's memory is not enough.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import numpy as np
import torch

from bases import SIZES, Sized
from bound import Product, flops_of, products, seconds_of
from clock import Clock
from pairs import Shape, random_columns
from process_memory import peak_while
from setting import Setting
from sides import DEFAULTS, SUMMPO, SUMMPO_CHECKPOINTED, make_side
from summpo.models.forward.layouts import pad, share_prefixes
from summpo.row_kinds.pairs import pair_batch

WIDTH = {"cpu": 512, "cuda": 8192}
"""Of the square matrices whose product says what the device can do: large enough to fill it."""


@dataclass(frozen=True)
class Figures:
    """Of one side."""

    seconds: float
    """Of a step, the median."""
    flops: float
    """That the step needs, in its own layout of the batch, without what is computed again."""
    product_rate: float
    """FLOP a second of one product of square bfloat16 matrices, the median."""
    peak: int
    """Bytes, the weights' among them."""
    log_probs: list[float]
    """Of each completion."""


def measure(name: str, setting: Setting, shape: Shape, repeats: int) -> Figures:
    """After one step that is not counted. The reference is 0 everywhere, which changes no cost."""
    clock, width = Clock(setting.device), WIDTH[setting.device]
    square = Product(width, width, width)
    seconds_of(square, torch.bfloat16, clock)
    rate = square.flops / median(seconds_of(square, torch.bfloat16, clock) for _ in range(repeats))
    side, columns, every = (
        make_side(name, setting),
        random_columns(shape, setting.base.vocabulary),
        np.arange(shape.pairs),
    )
    layout = share_prefixes if name in (SUMMPO, SUMMPO_CHECKPOINTED) else partial(pad, pad_id=0)
    needed = flops_of(products(side.policy, pair_batch(columns, every, np.ones(shape.pairs), layout)))
    batch = side.batch(columns, every)
    log_probs = side.log_probs(batch).tolist()
    side.step(batch)
    seconds = median(clock.seconds(lambda: side.step(batch)) for _ in range(repeats))
    _, peak = peak_while(lambda: side.step(batch), setting.device)
    return Figures(seconds, needed, rate, peak, log_probs)


def main() -> None:
    """One side's figures, as the last line of the output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", default=SUMMPO_CHECKPOINTED, help=f"such as '{SUMMPO_CHECKPOINTED}', '{DEFAULTS}'")
    parser.add_argument("--size", choices=list(SIZES), required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    for name in ("prompt", "completion", "pairs", "repeats", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    setting = Setting(Sized(options.size), options.device, torch.bfloat16, torch.bfloat16)
    shape = Shape(options.prompt, options.completion, options.pairs)
    try:
        print(json.dumps(asdict(measure(options.side, setting, shape, options.repeats))))
    except torch.OutOfMemoryError:
        print("null")


if __name__ == "__main__":
    main()
