"""Summaries for evaluation: what `benchmarks/generation.py` measures, as rows of the table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from table import Row, times

SCRIPT = Path(__file__).with_name("generation.py")


def rows(data: Path, documents: int) -> list[Row]:
    """One row; none, and a word, where the script is not there.

    It runs in a process of its own, as it does by hand: what this one holds would slow the system down for it.
    """
    if not SCRIPT.is_file():
        print(f"generation: skipped, there is no {SCRIPT.name} beside this script")
        return []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "figures.json")
        options = {"--documents": documents, "--data": data, "--output": output}
        command = [sys.executable, SCRIPT, *(each for option in options.items() for each in option)]
        ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr[-2000:]
        found = json.loads(output.read_text())
    plain, ours = found["plain_seconds"], found["summpo_seconds"]
    what = f"generation for evaluation, {documents} documents"
    against = "transformers' generate, batch 8, unsorted"
    return [Row(what, against, f"{plain:.1f} CPU s", f"{ours:.1f} CPU s", times(plain / ours), "2x")]
