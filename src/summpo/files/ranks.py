"""Which process of a distributed run this is, by the environment that whoever started it has set."""

from __future__ import annotations

import os

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


def is_first_process() -> bool:
    """Whether this is the first, or the only one, of the processes that torchrun or a cluster starts side by side."""
    return not any(os.environ.get(name, "").strip("0").isdecimal() for name in RANKS)
