"""Who does the work: this machine, a Slurm cluster or a Ray cluster, by datatrove's executors.

    local, slurm, ray    the config targets of the group `executor`

A stage is a list of datatrove's blocks, and how many tasks share its documents; a task that is done leaves a marker and
is not done again. datatrove is imported when there is work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from summpo.errors import require_number


@dataclass(frozen=True)
class Stage:
    """Blocks that documents go through, in so many tasks."""

    name: str
    blocks: list[Any]
    tasks: int


@runtime_checkable
class Executor(Protocol):
    """Does stages, each after the one before."""

    @property
    def tasks(self) -> int | None:
        """Tasks of a split's first stage; None: by size."""
        ...

    def run(self, stages: Sequence[Stage], work: Path) -> bool:
        """Does what is not done yet, and says whether all is: a cluster may only have been told.

        Raises:
            UserError: what a stage raises; or there is no such cluster here.
        """
        ...


def require_tasks(tasks: int | None) -> None:
    """Guards a number of tasks."""
    if tasks is not None:
        require_number("executor.tasks", tasks, low=1, high=30_000)  # of two splits together: 16 bits in datatrove


def logs(work: Path, stage: Stage) -> str:
    """Where datatrove keeps a stage's logs, statistics and markers."""
    return str(work / "logs" / stage.name)


@contextmanager
def silent() -> Iterator[None]:
    """Keeps off the terminal what datatrove says (loguru) and shows (tqdm); its logs are files as well."""
    from datatrove.utils.logging import setup_default_logger
    from loguru import logger

    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
            setup_default_logger()  # which takes stderr as it finds it
            yield
    finally:
        logger.remove()  # not back to stderr as it was: it may be closed by the time that something is said
