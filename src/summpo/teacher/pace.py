"""When the next request may go: at most so many requests and tokens in any minute, evenly. It reads no clock.

Times are seconds of any clock that only goes forward; whoever asks says what time it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MINUTE = 60.0


@dataclass
class Taken:
    """So much of something, at a moment."""

    at: float
    amount: float
    counts: bool = True
    """Until it is a minute old."""


@dataclass
class Window:
    """At most `per_minute` of something in any minute (half open), and no faster than evenly over it."""

    per_minute: float | None
    taken: deque[Taken] = field(default_factory=deque)
    held: float = 0.0
    """The sum of what counts."""

    def earliest(self, now: float, amount: float) -> float:
        """From when on `amount` may be taken; not before what was taken last. More than a minute's goes alone."""
        if self.per_minute is None or not self.taken:
            return now
        last = self.taken[-1]
        start = max(now, last.at + MINUTE * min(1.0, last.amount / self.per_minute))
        held = self.held
        for one in self.taken:
            if one.at > start - MINUTE:
                if held + amount <= self.per_minute:
                    break
                start = max(start, one.at + MINUTE)
            held -= one.amount
        return start

    def take(self, at: float, amount: float) -> Taken:
        """Counts `amount` at a moment that is not before the last; forgets what lies a minute before it."""
        while self.taken and self.taken[0].at <= at - MINUTE:
            old = self.taken.popleft()
            old.counts = False
            self.held -= old.amount
        new = Taken(at, amount, counts=self.per_minute is not None)
        if new.counts:
            self.taken.append(new)
            self.held += amount
        return new

    def correct(self, one: Taken, amount: float) -> None:
        """Counts another amount in its place."""
        if one.counts:
            self.held += amount - one.amount
        one.amount = amount


@dataclass
class Start:
    """A moment that was given to a request. A pause can move it."""

    request: Taken
    tokens: Taken

    @property
    def at(self) -> float:
        return self.request.at

    def move(self, seconds: float) -> None:
        """To later."""
        self.request.at += seconds
        self.tokens.at += seconds


class RateLimits:
    """Requests and tokens a minute, and the pauses that the endpoint asks for."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self.requests, self.tokens = Window(requests_per_minute), Window(tokens_per_minute)
        self._free_from = float("-inf")
        """No start is given before: that of the last, or the end of a pause."""
        self._to_come: deque[Start] = deque()

    def reserve(self, now: float, tokens: float) -> Start:
        """Gives a request the first moment that no limit forbids; moments are given in order.

        Args:
            tokens: of prompt and answer, estimated.
        """
        at = max(now, self._free_from)
        while (later := max(self.requests.earliest(at, 1), self.tokens.earliest(at, tokens))) > at:
            at = later
        start = Start(self.requests.take(at, 1), self.tokens.take(at, tokens))
        self._free_from = at
        while self._to_come and self._to_come[0].at <= now:
            self._to_come.popleft()
        self._to_come.append(start)
        return start

    def correct(self, start: Start, tokens: float) -> None:
        """Counts a request's real tokens, once they are known."""
        self.tokens.correct(start.tokens, tokens)

    def pause(self, now: float, until: float) -> None:
        """Nothing goes before `until`: what is to come moves, with its distances."""
        waiting = [start for start in self._to_come if start.at > now]
        if waiting and (seconds := until - waiting[0].at) > 0:
            for start in waiting:
                start.move(seconds)
            self._free_from += seconds
        self._free_from = max(self._free_from, until)
