"""Summaries for evaluation: what `benchmarks/generation.py` measures, as rows of the table."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from clock import Clock
from fresh_process import last_line_of
from table import Row, times


def rows(data: Path, documents: int, model: str, cache: Path, device: str, threads: int) -> list[Row]:
    """One row. It runs in a process of its own, as it does by hand: what this one holds would slow it down."""
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "documents": documents,
            "data": data,
            "model": model,
            "cache": cache,
            "device": device,
            "threads": threads,
            "output": Path(folder, "figures.json"),
        }
        last_line_of("generation.py", [word for name, value in options.items() for word in (f"--{name}", value)])
        found = json.loads(options["output"].read_text())
    unit = Clock(device).unit
    what = f"generation for evaluation, {documents} documents, float32 ({found['same']} written alike)"
    against = "transformers' generate, batch 8, unsorted"
    plain, ours = found["plain_seconds"], found["summpo_seconds"]
    return [Row(what, against, f"{plain:.1f} {unit}", f"{ours:.1f} {unit}", times(found["ratio"]), "2x")]
