"""Tasks for many workers from one iterator, which is read in a thread of its own.

A slow reader (a file, a Hub data set) must not keep answers waiting into their timeout. It knows nothing of tasks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

MOST, SECONDS = 64, 0.02
"""What is read at a time: to change to the thread and back takes longer than to read a task."""


class Reader(Generic[T]):
    """The next one, for whoever asks. It belongs to one event loop."""

    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator, self._ahead, self._alone = iterator, deque[T](), asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "reader")
        self._error: Exception | None = None

    def __enter__(self) -> Reader[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def next(self) -> T | None:
        """The next one; None after the last.

        Raises:
            Exception: what the iterator raised, behind all that it gave before.
        """
        async with self._alone:
            if not self._ahead and self._error is None:
                loop = asyncio.get_running_loop()
                found, self._error = await loop.run_in_executor(self._thread, read_some, self._iterator)
                self._ahead.extend(found)
            if not self._ahead and self._error is not None:
                raise self._error
            return self._ahead.popleft() if self._ahead else None


def read_some(iterator: Iterator[T]) -> tuple[list[T], Exception | None]:
    """The next few, one at least where there is one; and what went wrong behind them."""
    found: list[T] = []
    until = time.monotonic() + SECONDS
    try:
        while len(found) < MOST and (not found or time.monotonic() < until):
            found.append(next(iterator))
    except StopIteration:
        pass
    except Exception as error:
        return found, error
    return found, None
