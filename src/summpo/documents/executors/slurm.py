"""A Slurm cluster: datatrove's executor submits a job for each stage, each after the one before.

The launch scripts that it makes have been checked, and run by a stand-in for sbatch; no cluster has run them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

from summpo.documents.executors import Stage, logs, require_tasks, silent
from summpo.errors import UserError, require, require_number

if TYPE_CHECKING:
    from datatrove.executor import SlurmPipelineExecutor

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """A Slurm cluster, from a machine that has sbatch; the folders must be on a disk that all nodes share."""

    partition: str
    """Required: the cluster's partition."""
    time: str = "24:00:00"
    """Longest time of each job."""
    workers: int = -1
    """Tasks of a stage at a time; -1 = all."""
    tasks: int | None = None
    """Tasks of a split's first stage; null: one for about 32 MB of it, 500 at most."""
    cpus_per_task: int = 1
    """Processors of a task."""
    mem_per_cpu_gb: int = 4
    """Memory of each of them."""
    qos: str | None = None
    """Quality of service; null = the cluster's default."""
    env_command: str | None = None
    """A line of shell before each job: source /path/.venv/bin/activate."""
    sbatch_args: Mapping[str, Any] = field(default_factory=dict)
    """Further options of sbatch: {account: me}."""

    def __post_init__(self) -> None:
        for key in ("partition", "time"):
            value = getattr(self, key)
            require(
                isinstance(value, str) and bool(value.strip()),
                f"{key} must be text, got {value!r} (config key executor.{key})",
            )
        require_tasks(self.tasks)
        for key in ("cpus_per_task", "mem_per_cpu_gb"):
            require_number(f"executor.{key}", getattr(self, key), low=1)

    def run(self, stages: Sequence[Stage], work: Path) -> bool:
        """Submits a job for each stage that is not done, each after the one before; once."""
        with silent():
            executors = self.executors(stages, work)
            remaining = [e.job_name for e in executors if e.get_incomplete_ranks()]
        if not remaining:
            return True
        submitted = work / "submitted.json"
        if submitted.exists():
            jobs = ", ".join(map(str, json.loads(submitted.read_text("utf-8"))))
            log.info(
                f"documents: submitted as jobs {jobs}, not done yet: {', '.join(remaining)}. Where a job has failed "
                f"(see {work / 'logs'}), take {submitted} away and give the command again"
            )
            return False
        try:
            with silent():
                executors[-1].run()
        except FileNotFoundError as error:
            raise UserError(
                f"executor=slurm needs {error.filename}, which is not here: give the command on a login node"
            ) from None
        except CalledProcessError as error:
            raise UserError(f"sbatch refuses a job (exit code {error.returncode}, its words are above)") from None
        finally:
            jobs = [executor.job_id for executor in executors if executor.job_id not in (None, -1)]
            if jobs:
                submitted.write_text(json.dumps(jobs), "utf-8")
        log.info(f"documents: {len(jobs)} jobs submitted; give the command again when they are done")
        return False

    def executors(self, stages: Sequence[Stage], work: Path) -> list[SlurmPipelineExecutor]:
        """datatrove's executors, each dependent on the one before."""
        from datatrove.executor import SlurmPipelineExecutor

        made: list[SlurmPipelineExecutor] = []
        for stage in stages:
            made.append(
                SlurmPipelineExecutor(
                    stage.blocks,
                    tasks=stage.tasks,
                    time=self.time,
                    partition=self.partition,
                    cpus_per_task=self.cpus_per_task,
                    mem_per_cpu_gb=self.mem_per_cpu_gb,
                    workers=self.workers,
                    job_name=f"documents-{stage.name}",
                    qos=self.qos,  # type: ignore[arg-type]
                    env_command=self.env_command,  # type: ignore[arg-type]
                    sbatch_args=dict(self.sbatch_args),
                    depends=made[-1] if made else None,
                    logging_dir=logs(work, stage),
                    mail_type="NONE",
                )
            )
        return made
