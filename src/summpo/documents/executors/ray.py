"""A Ray cluster, by datatrove's executor.

The settings that it takes have been checked; no cluster has run them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from summpo.documents.executors import Stage, logs, require_tasks, silent
from summpo.errors import UserError, require_number

if TYPE_CHECKING:
    from datatrove.executor import RayPipelineExecutor

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Ray:
    """A Ray cluster that this process is connected to; the folders must be on a disk that all nodes share."""

    workers: int = -1
    """Tasks of a stage at a time; -1 = all."""
    tasks: int | None = None
    """Tasks of a split's first stage; null: one for about 32 MB of it, 500 at most."""
    cpus_per_task: int = 1
    """Processors of a task."""
    mem_per_cpu_gb: float = 4
    """Memory of each of them."""

    def __post_init__(self) -> None:
        require_tasks(self.tasks)
        for key in ("cpus_per_task", "mem_per_cpu_gb"):
            require_number(f"executor.{key}", getattr(self, key), above=0)

    def run(self, stages: Sequence[Stage], work: Path) -> bool:
        """Does what is not done yet, and waits for it."""
        for stage in stages:
            with silent():
                executor = self.executor(stage, work)
                if not executor.get_incomplete_ranks():
                    continue
            log.info(f"documents: {stage.name}")
            try:
                with silent():
                    executor.run()
            except ImportError:
                raise UserError("executor=ray needs the package ray: pip install 'datatrove[ray]'") from None
            failed = executor.get_incomplete_ranks()  # datatrove says so in its log alone
            if failed:
                raise RuntimeError(f"{len(failed)} tasks of {stage.name} have failed, see {logs(work, stage)}")
        return True

    def executor(self, stage: Stage, work: Path) -> RayPipelineExecutor:
        """datatrove's executor of a stage."""
        from datatrove.executor import RayPipelineExecutor

        return RayPipelineExecutor(
            stage.blocks,
            tasks=stage.tasks,
            workers=self.workers,
            logging_dir=logs(work, stage),
            cpus_per_task=self.cpus_per_task,
            mem_per_cpu_gb=self.mem_per_cpu_gb,
        )
