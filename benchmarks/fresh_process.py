"""A script beside this file in a process of its own: nothing that another measured lies in its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def last_line_of(script: str, arguments: Sequence[object], environment: Mapping[str, str] | None = None) -> str:
    """What `python benchmarks/SCRIPT` with these arguments says last.

    Raises:
        RuntimeError: it did not end well; with what it said.
    """
    command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | dict(environment or {}))
    if ended.returncode != 0:
        raise RuntimeError(f"{script} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return ended.stdout.splitlines()[-1]
