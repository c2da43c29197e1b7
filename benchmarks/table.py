"""Results as tables in Markdown: one heading a section, so that sections may be measured at different times.

A section that was measured again takes the place of the one of its name; all else in the file, the introduction and
sections by hand, stays as it is.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from summpo.runs.run_folder import write_whole

PACKAGES = ("torch", "transformers", "peft", "trl")
TITLE = """\
# summpo beside TRL

Each section names the command that made it and the machine. Seconds are CPU seconds of all threads, or a GPU's by its
events. A ratio is the other's seconds by summpo's, so more is better; of memory alone it is summpo's bytes by the
other's, so less is better. Other work may have run on the machine beside: seconds vary with it.

"""
SECTION = re.compile(r"(?m)^(?=## )")


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


def as_markdown(rows: Sequence[Row], command: str, conditions: str) -> str:
    """A section's body: by which command and under which conditions it was measured, and its table."""
    lines = [[row.what, row.against, row.theirs, row.ours, row.ratio, row.goal] for row in rows]
    header = [["what", "against", "theirs", "summpo", "ratio", "goal"], ["---"] * 6]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in [*header, *lines])
    return f"`{command}`\n\n{conditions}\n\n{table}\n"


def command_line(script: str, options: Mapping[str, object]) -> str:
    """The command that measures with these options, each with its value; None is left out.

    An absolute path says where things lie on one machine and means nothing elsewhere: FOLDER stands for it.
    """
    words = ["python", f"benchmarks/{Path(script).name}"]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            values = value if isinstance(value, list) else [value]
            words += [f"--{flag}", *("FOLDER" if Path(str(each)).is_absolute() else str(each) for each in values)]
    return shlex.join(words)


def conditions(device: str, threads: int) -> str:
    """Machine, threads, how busy it is, and versions. A GPU is named where it computed, and nowhere else."""
    on_cpu = f"{processor()}, {threads} thread(s), load {os.getloadavg()[0]:.1f}"
    machine = torch.cuda.get_device_name() if device == "cuda" else on_cpu
    return f"{machine}; {', '.join(f'{name} {_version(name)}' for name in PACKAGES)}."


def processor() -> str:
    """The processor's name, how many cores there are, and how many of them this process may use."""
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    bound = f", bound to {usable}" if usable < cores else ""
    return f"{named[1] if named else platform.processor()} ({cores} cores{bound})"


def write_sections(file: Path, sections: Mapping[str, str]) -> None:
    """Puts sections in the place of those of the same name in `file`, new ones behind; what else it holds stays."""
    head, *parts = SECTION.split(file.read_text("utf-8") if file.is_file() else TITLE)
    kept = {part.partition("\n")[0].removeprefix("## ").strip(): part for part in parts}
    made = {name: f"## {name}\n\n{body.strip()}\n\n" for name, body in sections.items()}
    *before, last = [head, *(kept | made).values()]
    before = [part if part.endswith("\n\n") else f"{part.rstrip()}\n\n" for part in before]
    write_whole(file, "".join([*before, f"{last.rstrip()}\n"]))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"
