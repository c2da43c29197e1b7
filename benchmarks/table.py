"""Results as tables in Markdown: one heading a section, so that sections may be measured at different times."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "transformers", "peft", "trl")
TITLE = """\
# summpo beside TRL

Made by `make bench`: both in one process, in turn, on the same weights (SmolLM2-135M), pairs, LoRA (r 64 on q, k, v, o)
and precision. A ratio says how many times more the other takes; for memory and generation, the share that summpo takes.
Other work may have run on the machine beside: seconds vary with it, and ratios less, for both sides took turns.
"""
HEADING = re.compile(r"(?m)^## ")


@dataclass(frozen=True)
class Row:
    """One result."""

    what: str
    against: str
    theirs: str
    """With its unit; empty where there is no other side."""
    ours: str
    ratio: str
    goal: str
    """What was asked for; empty where nothing was."""


def times(ratio: float) -> str:
    return f"{ratio:.2f}x"


def as_markdown(rows: Sequence[Row], conditions: str) -> str:
    """A section's body: under which conditions it was measured, and its table."""
    lines = [[row.what, row.against, row.theirs, row.ours, row.ratio, row.goal] for row in rows]
    header = [["what", "against", "theirs", "summpo", "ratio", "goal"], ["---"] * 6]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in [*header, *lines])
    return f"{conditions}\n\n{table}\n"


def conditions(device: str, threads: int) -> str:
    """Versions, machine and threads."""
    machine = torch.cuda.get_device_name() if device == "cuda" else f"{processor()}, {threads} thread(s)"
    return f"{machine}; {', '.join(f'{name} {_version(name)}' for name in PACKAGES)}."


def processor() -> str:
    """The processor's name, and how many cores there are."""
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    return f"{named[1] if named else platform.processor()} ({os.cpu_count()} cores)"


def write_sections(file: Path, sections: Mapping[str, str]) -> None:
    """Puts sections in the place of those of the same name in `file`; what else it holds stays."""
    old = HEADING.split(file.read_text("utf-8"))[1:] if file.is_file() else []
    kept = {heading: body for heading, _, body in (part.partition("\n\n") for part in old)}
    parts = [f"## {name}\n\n{body.strip()}\n" for name, body in (kept | dict(sections)).items()]
    file.write_text("\n".join([TITLE, *parts]), "utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"
