"""This machine: a stage's tasks one after the other in this process, or several at a time in worker processes.

The executor is datatrove's: its tasks, markers and logs. Its own `run` is not: that begins a manager process, which
outlives a kill -9 of this one for good, and a pool that waits without end for a worker that was killed for memory.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from summpo.documents.executors import Stage, logs, require_tasks, silent
from summpo.errors import UserError, require_number

if TYPE_CHECKING:
    from datatrove.executor import LocalPipelineExecutor

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Local:
    """This machine."""

    workers: int = 1
    """Tasks at a time. 1 = in the command's own process; the tokenizer spreads over all cores even so."""
    tasks: int | None = None
    """Tasks of a split's first stage; null: one for about 32 MB of it, 500 at most."""

    def __post_init__(self) -> None:
        require_number("executor.workers", self.workers, low=1)
        require_tasks(self.tasks)

    def run(self, stages: Sequence[Stage], work: Path) -> bool:
        """Does what is not done yet."""
        with ExitStack() as stack:
            pool: ProcessPoolExecutor | None = None
            for stage in stages:
                with silent():
                    executor = self.executor(stage, work)
                    ranks = executor.get_incomplete_ranks()
                if not ranks:
                    continue
                log.info(f"documents: {stage.name}" + (f", {len(ranks)} tasks" if len(ranks) > 1 else ""))
                if self.workers > 1 and len(ranks) > 1:
                    pool = pool or stack.enter_context(workers(self.workers))
                    run_in(pool, executor, ranks)
                else:
                    with silent():
                        for rank in ranks:
                            run_task(deepcopy(executor), rank)  # its blocks hold counts
        return True

    def executor(self, stage: Stage, work: Path) -> LocalPipelineExecutor:
        """datatrove's executor of a stage."""
        from datatrove.executor import LocalPipelineExecutor

        return LocalPipelineExecutor(stage.blocks, stage.tasks, self.workers, logging_dir=logs(work, stage))


def run_task(executor: LocalPipelineExecutor, rank: int) -> None:
    """One task, with its log and marker: what each of datatrove's executors calls for its tasks."""
    executor._run_for_rank(rank)


def run_in(pool: ProcessPoolExecutor, executor: LocalPipelineExecutor, ranks: Sequence[int]) -> None:
    """Tasks in worker processes; what the first to fail raises, once those that had begun are done.

    Raises:
        UserError: a worker was killed.
    """
    futures = [pool.submit(run_task, executor, rank) for rank in ranks]
    try:
        for future in as_completed(futures):
            future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker was killed, perhaps for memory: the same command goes on, with fewer workers where they are too "
            "many (config key executor.workers)"
        ) from None
    finally:
        for future in futures:
            future.cancel()


def workers(number: int) -> ProcessPoolExecutor:
    """Processes that start afresh: a fork would take over half-locked threads of torch and tokenizers."""
    return ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=begin_worker)


def begin_worker() -> None:
    """Keeps a worker process off the terminal, and ends it with the process that it works for, however that ends."""
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115

    def end_with_parent() -> None:
        parent = parent_process()
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()
