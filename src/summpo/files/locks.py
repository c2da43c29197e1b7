"""One process at a time in a folder, by a lock that the operating system lets go of as its process ends, killed or not.

Knows nothing of what is in the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from summpo.errors import UserError


@contextmanager
def locked(file: Path, sentence: str) -> Iterator[None]:
    """Keeps out every other process that asks for this lock; a file that a killed one left keeps nobody out.

    Raises:
        UserError: `sentence`, where another process has it.
    """
    lock = FileLock(file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UserError(sentence) from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()


def writing_alone(folder: Path) -> AbstractContextManager[None]:
    """Keeps every other process that writes summaries out of a folder, as `alone`.

    Raises:
        UserError: another process is writing there.
    """
    return alone(folder, ".samples.lock", f"{folder}: another process is writing here (config key output_dir)")


@contextmanager
def alone(folder: Path, name: str, sentence: str) -> Iterator[None]:
    """Makes a folder and has the lock of that name in it; takes away again what folders it made and nothing is in.

    Raises:
        UserError: `sentence`, where another process has the lock.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / name, sentence):
            yield
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()
