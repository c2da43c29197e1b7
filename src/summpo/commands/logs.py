"""What the library logs while it works, on the screen of a command: the bare sentences, from the first process alone.

A library says nothing by itself. Whoever uses it without a command hears it by logging.basicConfig(level="INFO").
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from summpo.files.ranks import is_first_process


class Screen(logging.Handler):
    """Prints to where sys.stdout leads when a sentence comes: a command may have turned it to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, shown at once: what it announces may take long."""
        if is_first_process():
            print(record.getMessage())
            if sys.stdout is not None:
                with suppress(OSError):  # work goes on where nobody reads of it; the end of the command tells
                    sys.stdout.flush()


@contextmanager
def on_screen() -> Iterator[None]:
    """Shows what the library logs, and nothing of it twice; leaves its logger as it was."""
    logger = logging.getLogger("summpo")
    before = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [Screen()], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
