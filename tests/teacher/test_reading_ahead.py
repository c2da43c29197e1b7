"""Reading in a thread: everything once and in order, an error behind what came before it."""

import asyncio
from collections.abc import Iterator

import pytest

from summpo.teacher.reading_ahead import MOST, Reader


async def all_of(iterator: Iterator[int], workers: int) -> list[int]:
    """What the workers get, in the order in which they get it."""
    found: list[int] = []

    async def work(reader: Reader[int]) -> None:
        while (one := await reader.next()) is not None:
            found.append(one)

    with Reader(iterator) as reader:
        results = await asyncio.gather(*(work(reader) for _ in range(workers)), return_exceptions=True)
    errors = [result for result in results if result is not None]
    assert len(errors) in (0, workers)
    return found + [-1] * bool(errors)


@pytest.mark.parametrize("count", [0, 1, MOST, 3 * MOST + 1])
@pytest.mark.parametrize("workers", [1, 7])
def test_everything_once_and_in_order(count: int, workers: int) -> None:
    assert asyncio.run(all_of(iter(range(count)), workers)) == list(range(count))


def test_an_error_comes_behind_what_was_read_and_to_all() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError

    assert asyncio.run(all_of(broken(), 3)) == [0, 1, 2, 3, 4, -1]
