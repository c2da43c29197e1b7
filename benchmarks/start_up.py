"""How long the command takes before it can say something, and whether torch was imported for it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from statistics import median

from pairs import REPOSITORY
from table import Row

COMMANDS = {"train.py --help": (["--help"], 0), "a config error": (["objective=nothing"], 2)}
"""What is timed: its arguments, and the exit code that it must have."""


def rows(repeats: int) -> list[Row]:
    """A row a command."""
    return [measure(name, arguments, code, repeats) for name, (arguments, code) in COMMANDS.items()]


def measure(name: str, arguments: list[str], code: int, repeats: int) -> Row:
    """The median of wall seconds; one more call tells what it imports."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(arguments, code)
        seconds.append(time.perf_counter() - start)
    imported = run(arguments, code, "-X", "importtime").stderr
    torch = "torch imported" if re.search(r"\| +torch$", imported, re.MULTILINE) else "torch not imported"
    return Row(f"`{name}`", "the clock", "", f"{median(seconds):.2f} s wall, {torch}", "", "0.5 s, torch not imported")


def run(arguments: list[str], code: int, *python: str) -> subprocess.CompletedProcess[str]:
    """`python train.py` with its output; fails where it ends with another exit code."""
    command = [sys.executable, *python, "train.py", *arguments]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == code, f"{command} ended with {ended.returncode}: {ended.stderr[-500:]}"
    return ended
