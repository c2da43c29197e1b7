"""What a piece of work costs: CPU seconds of all threads, or seconds of a GPU by its events; never the wall's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch


@dataclass(frozen=True)
class Clock:
    """Measures work on one kind of device."""

    device: str
    """cpu or cuda."""

    @property
    def unit(self) -> str:
        return "CPU s" if self.device == "cpu" else "GPU s"

    def seconds(self, work: Callable[[], object]) -> float:
        """What one call costs."""
        begin = self.mark()
        work()
        return self.between(begin, self.mark())

    def mark(self) -> Any:
        """This moment in the device's own order of work; nobody waits for it."""
        if self.device == "cpu":
            return time.process_time()
        event = torch.cuda.Event(enable_timing=True)
        event.record()  # type: ignore[no-untyped-call]
        return event

    def between(self, begin: Any, end: Any) -> float:
        """Seconds from one mark to a later one."""
        if self.device == "cpu":
            return end - begin
        end.synchronize()
        return begin.elapsed_time(end) / 1000


def take_turns(works: Mapping[str, Callable[[], object]], clock: Clock, repeats: int) -> dict[str, list[float]]:
    """Seconds of each work, `repeats` times in turn: A B C A B C ..., after one turn that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(repeats):
        for name, work in works.items():
            seconds[name].append(clock.seconds(work))
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: median(values) for name, values in seconds.items()}
