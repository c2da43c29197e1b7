"""The pace: worked by hand, and the law that no minute has more than it may."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.teacher.pace import MINUTE, RateLimits

AMOUNTS = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 400)), min_size=1, max_size=40)
"""Of each request: seconds after the one before, tokens."""


def starts(limits: RateLimits, requests: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """When each may go, and its tokens."""
    now, found = 0.0, []
    for gap, tokens in requests:
        now += gap
        found.append((limits.reserve(now, tokens).at, tokens))
    return found


def test_no_limit_is_no_wait() -> None:
    assert starts(RateLimits(None, None), [(0, 10**9), (0, 1), (2, 5)]) == [(0, 10**9), (0, 1), (2, 5)]


def test_requests_go_evenly() -> None:
    """30 a minute: one every 2 s. After 10 s of rest the next may go at once, but there is no credit for the rest."""
    assert [at for at, _ in starts(RateLimits(30, None), [(0, 1), (0, 1), (0, 1), (14, 1), (0, 1)])] == [
        0,
        2,
        4,
        14,
        16,
    ]


def test_tokens_go_evenly() -> None:
    """600 a minute are 10 a second: 100 tokens take 10 s, then 300 take 30 s."""
    assert [at for at, _ in starts(RateLimits(None, 600), [(0, 100), (0, 300), (0, 100)])] == [0, 10, 40]


def test_the_minute_binds_where_evenness_does_not() -> None:
    """600 a minute. 10 tokens at 0, 500 at 1: 300 more would make 810 in the minute from 1 on. They wait for 61, not 51."""
    assert [at for at, _ in starts(RateLimits(None, 600), [(0, 10), (0, 500), (0, 300)])] == [0, 1, 61]


def test_more_than_a_minutes_tokens_go_alone() -> None:
    assert [at for at, _ in starts(RateLimits(None, 100), [(0, 50), (0, 250), (0, 50)])] == [0, 60, 120]


def test_real_tokens_take_the_place_of_estimated_ones() -> None:
    """600 a minute. 600 were expected and 60 came: what follows waits 6 s and not 60."""
    limits = RateLimits(None, 600)
    first = limits.reserve(0, 600)
    limits.correct(first, 60)
    assert limits.reserve(1, 100).at == 6


def test_a_correction_of_what_no_longer_counts_changes_nothing() -> None:
    limits = RateLimits(None, 600)
    first = limits.reserve(0, 600)
    limits.reserve(100, 600)
    limits.correct(first, 1)
    assert limits.reserve(100, 100).at == 160


def test_a_pause_moves_what_is_to_come_with_its_distances() -> None:
    """30 a minute: starts at 0, 2, 4. At 1 the endpoint asks for a pause until 10: the waiting two go at 10 and 12."""
    limits = RateLimits(30, None)
    given_at = [limits.reserve(0, 1) for _ in range(3)]
    limits.pause(1, 10)
    assert [start.at for start in given_at] == [0, 10, 12]
    assert limits.reserve(1, 1).at == 14
    limits.pause(1, 5)
    assert [start.at for start in given_at] == [0, 10, 12]


def test_a_pause_with_nobody_waiting_holds_too() -> None:
    limits = RateLimits(None, None)
    limits.pause(0, 7)
    assert [limits.reserve(now, 1).at for now in (1, 6, 8)] == [7, 7, 8]


@given(AMOUNTS, st.none() | st.integers(1, 60), st.none() | st.integers(1, 1000), st.lists(st.floats(0, 90)))
def test_no_minute_has_more_than_it_may(requests, per_minute, tokens_per_minute, pauses) -> None:
    """In order, never early; in any half-open minute no more requests, nor tokens but for one that alone is too large."""
    limits = RateLimits(per_minute, tokens_per_minute)
    now, found = 0.0, []
    pauses = iter(pauses)
    for gap, tokens in requests:
        now += gap
        found.append((now, limits.reserve(now, tokens)))
        if (pause := next(pauses, None)) is not None:
            limits.pause(now, now + pause)
    times = [start.at for _, start in found]
    assert all(start.at >= asked for asked, start in found)
    assert all(one <= other for one, other in pairwise(times))
    for first in times:
        minute = [start.tokens.amount for _, start in found if first <= start.at < first + MINUTE - 1e-6]
        assert per_minute is None or len(minute) <= per_minute
        assert tokens_per_minute is None or sum(minute) <= tokens_per_minute or len(minute) == 1


@given(st.integers(1, 100), st.integers(1, 200))
def test_the_whole_rate_is_used(per_minute: int, count: int) -> None:
    """When all wait at once, the last of n goes (n - 1) / rate after the first."""
    times = [at for at, _ in starts(RateLimits(per_minute, None), [(0, 1)] * count)]
    assert times[-1] == pytest.approx((count - 1) * MINUTE / per_minute)
