"""One request to its answer: the journal first, then the budget, the pace, the wire, and again where it failed.

It knows no task. Whatever stops a run stops it here: no new request goes out, and those under way come back.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress

from summpo.errors import UserError
from summpo.teacher.budget import Budget, Tokens, at_most, prompt_tokens, uncounted_in
from summpo.teacher.endpoint_words import one_line
from summpo.teacher.faults import Fault
from summpo.teacher.hints import with_hint
from summpo.teacher.journal import Journal
from summpo.teacher.model_names import is_other_model
from summpo.teacher.pace import RateLimits, Start
from summpo.teacher.progress import Progress
from summpo.teacher.records import Answer, Request
from summpo.teacher.sending import Send
from summpo.teacher.teacher import Teacher
from summpo.text.documents import Rejected

UNANSWERED, LOST = "unanswered", "answer_lost"
"""Why a task has no answer: its retries are used up, and another run asks again; or those that may be paid are."""
GIVEN_UP_IN_A_ROW = 20
"""Requests whose retries are used up, one after another, at which the endpoint is taken to be down."""
FIRST_GIVEN_UP = 3
"""The same while nothing was ever answered: a model that is not there is a 500 at some endpoints."""
FIRST_REFUSED = 10
"""Requests that are refused (400) while nothing was ever answered: it is not them, but how they are asked."""
FIRST_CONNECTIONS = 3
"""Tries to connect while nothing has ever come back: a wrong url is no reason to wait."""


class Attempts:
    """The requests of one run, and the state that they share. It belongs to one event loop."""

    def __init__(
        self, teacher: Teacher, journal: Journal, budget: Budget, send: Send, progress: Progress, seed: int
    ) -> None:
        self.teacher, self.journal, self.budget, self.progress = teacher, journal, budget, progress
        self.sent, self.retries = 0, Counter[str]()
        self.stopped: str | None = None
        """max_cost, failure; None while the run goes on."""
        self.failure: BaseException | None = None
        self._send, self._random = send, random.Random(seed)
        self._limits = RateLimits(teacher.requests_per_minute, teacher.tokens_per_minute)
        self._slots = asyncio.Semaphore(teacher.max_in_flight)
        self._halt, self._settled = asyncio.Event(), asyncio.Event()
        self._given_up_in_a_row = self._refused_at_first = self._kept_out_in_a_row = 0
        self._was_reached = False
        self._has_answered = budget.spent.answers > 0
        self._others = set[str]()

    def stop(self, failure: BaseException | None = None) -> None:
        """Sends nothing more: the budget is used up, or something failed; the first failure is the one that counts."""
        self.failure = self.failure or failure
        self.stopped = "max_cost" if self.failure is None else "failure"
        self._halt.set()
        self._settled.set()

    async def answer(self, request: Request) -> Answer | Rejected | None:
        """What the teacher says to it, or why it says nothing; None where the run stopped before."""
        key = self.teacher.key_of(request)
        past = self.journal.past(key)
        if past.answer is not None:
            return past.answer
        if self.stopped:
            return None
        fault, retries, lost = None, 0, past.lost
        while retries <= self.teacher.max_retries and lost <= self.teacher.max_paid_retries:
            if fault is not None:
                self.retries[fault.reason] += 1
                self.progress.retries += 1
                await self._pause(delay(fault, retries - 1, self.teacher, self._random))
            result = await self._attempt(request, key)
            if not isinstance(result, Fault):
                return result
            fault, retries, lost = result, retries + 1, lost + result.maybe_paid
            if fault.then == "stop" or self._is_wrong_url(fault, retries) or await self._is_of_all(fault):
                self.stop(UserError(sentence_of(fault, self.teacher)))
                return None
            if fault.then != "retry":
                return self._refused(fault)
        return self._given_up(fault, lost)

    async def _attempt(self, request: Request, key: str) -> Answer | Fault | None:
        """Sends it once, when pace and budget let it go; None where the run stopped before."""
        most, expected = at_most(request), prompt_tokens(request) + request.max_tokens
        async with self._slots:
            start = self._limits.reserve(time.monotonic(), expected)
            if not await self._may_go(start, most):
                return None
            attempt = self.journal.sent(request, key, most)
            self.budget.send(most)
            self.sent += 1
            result = await self._send(request)
            if isinstance(result, Answer):
                self.journal.answered(attempt, result)
                paid = Tokens(result.prompt_tokens, result.completion_tokens)
                self.budget.settle(most, paid, False, uncounted_in(result))
                self._limits.correct(start, paid.total)
                self._given_up_in_a_row = self._kept_out_in_a_row = 0
                self._was_reached = self._has_answered = True
                self._look_at(result.model)
            else:
                self.journal.failed(attempt, result)
                self.budget.settle(most, None, result.maybe_paid)
                self._was_reached |= result.reason != "no_connection"
                if result.retry_after is not None:  # said to one, meant for all
                    now = time.monotonic()
                    self._limits.pause(now, now + min(result.retry_after, self.teacher.max_retry_after))
        self._settled.set()
        return result

    def _look_at(self, model: str) -> None:
        """Says once of each other model that it answers. Its answers are kept: they are paid."""
        if is_other_model(self.teacher.model, model) and model not in self._others:
            self._others.add(model)
            said = one_line(model)
            self.progress.say(f"{self.teacher.model} was asked and {said} says that it answers; kept, and counted")

    async def _may_go(self, start: Start, most: Tokens) -> bool:
        """Waits for a start and for the budget. There is no other wait between its True and the sending."""
        while not self.stopped:
            if (seconds := start.at - time.monotonic()) > 0:
                await self._pause(seconds)
            elif self._is_in_doubt and self.budget.in_flight > 0:
                await self._next_to_settle()
            elif self.budget.fits(most):
                return True
            elif self.budget.in_flight == 0:
                self.stop()
            else:  # what is under way may cost less than it could have
                await self._next_to_settle()
        return False

    async def _next_to_settle(self) -> None:
        """Waits until one of those under way comes back, or the run stops."""
        self._settled.clear()
        await self._settled.wait()

    @property
    def _is_in_doubt(self) -> bool:
        """Whether all that came back so far was refused: then those under way decide."""
        return not self._has_answered and self._refused_at_first >= FIRST_REFUSED

    async def _pause(self, seconds: float) -> None:
        """Waits, or until the run stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._halt.wait(), seconds)

    def _is_wrong_url(self, fault: Fault, tries: int) -> bool:
        """Whether there is nobody to wait for."""
        return fault.reason == "no_connection" and not self._was_reached and tries >= FIRST_CONNECTIONS

    async def _is_of_all(self, fault: Fault) -> bool:
        """Whether what may be of a request alone is of them all: nothing was ever answered, or nothing is any more.

        Those under way when the first one meets it are waited for, and tell.
        """
        if fault.then != "stop_at_first":
            return False
        self._kept_out_in_a_row += 1
        while not self._has_answered and not self.stopped and self.budget.in_flight > 0:
            await self._next_to_settle()
        return not self._has_answered or self._kept_out_in_a_row >= GIVEN_UP_IN_A_ROW

    def _refused(self, fault: Fault) -> Rejected:
        """A request that the endpoint does not take; where it takes none at all, the end of the run."""
        self._refused_at_first += not self._has_answered
        if self._is_in_doubt and self.budget.in_flight == 0:
            self.stop(
                UserError(
                    f"{self.teacher.url} has refused each of the first {self._refused_at_first} requests, it says "
                    f"{with_hint(fault.detail)}; is it a setting (config keys teacher, mode)?"
                )
            )
        return Rejected(fault.reason, fault.detail)

    def _given_up(self, fault: Fault | None, lost: int) -> Rejected:
        """A request whose retries are used up; after too many of them in a row, the end of the run."""
        allowed = self.teacher.max_paid_retries
        if lost > allowed:
            detail = f"teacher.max_paid_retries={allowed}, and it may have been paid {lost} times"
            rejected = Rejected(LOST, detail if fault is None else f"{fault.reason}: {fault.detail}; {detail}")
        else:
            assert fault is not None
            rejected = Rejected(UNANSWERED, f"{fault.reason}: {fault.detail}")
        if fault is None:
            return rejected
        self._given_up_in_a_row += 1
        if self._given_up_in_a_row >= (GIVEN_UP_IN_A_ROW if self._has_answered else FIRST_GIVEN_UP):
            self.stop(
                UserError(
                    f"{self.teacher.url} answered none of the last {self._given_up_in_a_row} requests (the last: "
                    f"{fault.reason}, {fault.detail}); the same command goes on from what is done"
                )
            )
        return rejected


def delay(fault: Fault, retries: int, teacher: Teacher, chance: random.Random) -> float:
    """Seconds before a retry: what the endpoint asks for and a little more, else twice as long each time; with jitter.

    Args:
        retries: those before it.
    """
    if fault.retry_after is not None:
        return min(fault.retry_after, teacher.max_retry_after) + chance.uniform(0.0, teacher.backoff)
    return min(teacher.backoff * 2.0 ** min(retries, 60), teacher.max_retry_after) * chance.uniform(0.5, 1.0)


def sentence_of(fault: Fault, teacher: Teacher) -> str:
    """Why no request to this teacher can do better. What an endpoint says of a key is not repeated."""
    if fault.reason == "unauthorized":
        if teacher.key_env is None:
            return f"{teacher.url} asks for a key: name its environment variable (config key teacher.key_env)"
        return f"{teacher.url} refuses the key in {teacher.key_env} (config key teacher.key_env)"
    if fault.reason == "no_connection":
        return f"{teacher.url} cannot be reached, {fault.detail} (config key teacher.url)"
    if fault.reason == "unknown_model":
        return f"{teacher.url} has no model {teacher.model!r}, {fault.detail} (config key teacher.model)"
    if fault.reason in ("not_found", "unexpected_status"):
        return f"{teacher.url} is no base of an OpenAI-compatible API, it says {fault.detail} (config key teacher.url)"
    what = "has no credit left" if fault.reason == "out_of_credit" else "does not let this key ask"
    return f"{teacher.url} {what}, it says {fault.detail}; the same command goes on from what is done"
