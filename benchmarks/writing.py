"""Summaries for evaluation: what `benchmarks/generation.py` measures, as rows of the table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from table import Row

SCRIPT = Path(__file__).with_name("generation.py")


def rows(data: Path, documents: int) -> list[Row]:
    """One row; none, and a word, where the script is not there.

    It runs in a process of its own, as it does by hand: what this one holds would slow the system down for it.
    """
    if not SCRIPT.is_file():
        print(f"generation: skipped, there is no {SCRIPT.name} beside this script")
        return []
    command = [sys.executable, str(SCRIPT), "--documents", str(documents), "--data", str(data)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    plain, ours = (float(value) for value in re.findall(r": ([\d.]+) CPU seconds", ended.stdout))
    what = f"generation for evaluation, {documents} documents"
    against = "transformers' generate, batch 8, unsorted"
    return [Row(what, against, f"{plain:.1f} CPU s", f"{ours:.1f} CPU s", f"{plain / ours:.2f}x", "2x")]
