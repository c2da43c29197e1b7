"""Asks a teacher what tasks want to know, many requests at once, and goes on from the journal after any end.

It knows no prompt and no parser: a task says what it asks, and what comes of the answers. Each request is in the
journal before it is sent and its answer after; one whose complete answer came is never sent again.

Why not datatrove's InferenceRunner (0.10.1), which has a request cache and checkpoints too: as it is, a 429, a 500, a
400, a cut or broken body or a closed connection at a local endpoint ends its whole task, what else is under way there
is cancelled and paid for nothing, and no timeout holds. A server class of ours (with `sending` and `faults`) makes it
pass all of these but the 400, for which it has skip_bad_requests. What stays: its cache learns of a request after its
answer, through a queue that commits one by one, slower than the answers come. In 20 kills of a run of 1,200 requests,
120 answers that had come whole were asked for and paid again, and nothing says so. Here 3 were, in 50 kills of 4,500
requests, for a kill can hit between an answer's last byte and its commit; they and whatever else was under way are
counted as maybe paid. Its cache is deleted as a run ends, so no raw answer is kept and no cost can be summed; it has no
budget and no pace. datatrove's readers, filters and executors are used as they are, before and around this engine.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from summpo.teacher.attempts import Attempts
from summpo.teacher.budget import Budget, Spent
from summpo.teacher.journal import Journal
from summpo.teacher.model_names import is_other_model
from summpo.teacher.progress import Progress
from summpo.teacher.reading_ahead import Reader
from summpo.teacher.records import Answer, Task, requests_in
from summpo.teacher.sending import endpoint
from summpo.teacher.teacher import Teacher
from summpo.text.documents import Rejected

Outcome = TypeVar("Outcome")
OnOutcome = Callable[[Task[Outcome], Outcome | Rejected], None]


@dataclass(frozen=True)
class Asked:
    """What came of a run."""

    outcomes: int
    rejected: dict[str, int]
    """Tasks by the reason why they came to nothing."""
    unfinished: int
    """Tasks that max_cost kept from their next request; those behind them were not looked at. Another run goes on."""
    stopped: str | None
    """max_cost, or None where all tasks are done."""
    sent: int
    """Requests of this run."""
    retries: dict[str, int]
    """Retries of this run, by what went wrong."""
    spent: Spent
    """Cost of all runs on the journal."""
    cost: float | None
    """Dollars of what was paid; None where a price is not known."""
    cost_maybe: float | None
    """At most, of what may have been paid beside."""
    models: dict[str, int]
    """Answers by the model that the endpoint named."""
    other_models: int
    """Answers by another model than was asked: they are kept, for they are paid."""
    words: dict[str, str]
    """What was said of the first task of each reason in `rejected`, by the endpoint or by who read its answer."""


def ask(
    tasks: Iterable[Task[Outcome]],
    teacher: Teacher,
    journal: Journal,
    on_outcome: OnOutcome[Outcome],
    *,
    max_cost: float | None = None,
    seed: int = 0,
    total: int | None = None,
    shows_progress: bool = True,
) -> Asked:
    """Brings every task to its outcome, as far as the budget goes.

    The first interrupt (Ctrl-C, or SIGTERM, which a cluster sends before it takes a machine away) lets the requests
    under way come back, for they are paid; the second leaves at once.

    Args:
        on_outcome: called once for each task, in the order in which they finish, also for those that the journal alone
            answers. Beside a task's own reasons it may be rejected as duplicate_id (its id was there before),
            bad_request, forbidden, content_filter or unexpected_status (the endpoint refuses a request, and is asked
            again in another run: nobody paid), unanswered (retries are used up; another run asks again) or answer_lost
            (those that may be paid are).
        max_cost: dollars, of all runs on the journal: nothing is sent that could go over.
        seed: of the retries' jitter.
        total: tasks, for the progress bar.

    Raises:
        UserError: the key is missing or refused, the model unknown, the url wrong, the endpoint down, or a price
            unknown and max_cost set. What was answered before is in the journal.
    """
    budget = Budget(teacher.prices, max_cost, journal.spent())
    with Progress(total, budget, shows_progress) as progress:
        run = asyncio.run(run_all(tasks, teacher, journal, on_outcome, budget, progress, seed))
    models = journal.models()
    return Asked(
        outcomes=run.outcomes,
        rejected=dict(run.rejected),
        unfinished=run.unfinished,
        stopped=run.attempts.stopped,
        sent=run.attempts.sent,
        retries=dict(run.attempts.retries),
        spent=budget.spent,
        cost=teacher.prices.cost(budget.spent.paid),
        cost_maybe=teacher.prices.cost(budget.spent.maybe),
        models=models,
        other_models=sum(count for name, count in models.items() if is_other_model(teacher.model, name)),
        words=run.words,
    )


async def run_all(
    tasks: Iterable[Task[Outcome]],
    teacher: Teacher,
    journal: Journal,
    on_outcome: OnOutcome[Outcome],
    budget: Budget,
    progress: Progress,
    seed: int,
) -> Run[Outcome]:
    """Works until nothing is left to do or the run must stop; what is under way comes back in any case."""
    async with endpoint(teacher) as send, cancelled_by_sigterm():
        attempts = Attempts(teacher, journal, budget, send, progress, seed)
        with Reader(iter(tasks)) as reader:
            run = Run(reader, attempts, on_outcome, progress, journal.tasks())
            workers = [asyncio.create_task(run.work()) for _ in range(teacher.max_in_flight)]
            try:
                await asyncio.wait(workers)
            except asyncio.CancelledError:
                attempts.stop(KeyboardInterrupt())
                progress.say(f"finishing {budget.in_flight} requests; again to leave at once")
                await asyncio.wait(workers)
    if attempts.failure is not None:
        raise attempts.failure
    return run


@asynccontextmanager
async def cancelled_by_sigterm() -> AsyncIterator[None]:
    """Makes of SIGTERM what asyncio makes of Ctrl-C; in the main thread, where alone signals can be taken."""
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


class Run(Generic[Outcome]):
    """The tasks of one run. All but the reading of tasks happens in one thread."""

    def __init__(
        self,
        tasks: Reader[Task[Outcome]],
        attempts: Attempts,
        on_outcome: OnOutcome[Outcome],
        progress: Progress,
        begun: set[str],
    ) -> None:
        self.attempts, self.outcomes, self.unfinished, self.rejected = attempts, 0, 0, Counter[str]()
        self.words: dict[str, str] = {}
        self._tasks, self._on_outcome, self._progress = tasks, on_outcome, progress
        self._begun, self._seen = begun, set[str]()

    async def work(self) -> None:
        """Takes one task after another."""
        try:
            while (task := await self._next_task()) is not None:
                await self._finish(task)
        except Exception as error:
            self.attempts.stop(error)

    async def _next_task(self) -> Task[Outcome] | None:
        """The next one of an id that was not there before. After max_cost, while the journal may have its answers."""
        while self.attempts.failure is None and (self.attempts.stopped is None or self._begun):
            task = await self._tasks.next()
            if task is None:
                return None
            self._begun.discard(task.id)
            if task.id not in self._seen:
                self._seen.add(task.id)
                return task
            self._end(task, Rejected("duplicate_id", f"{task.id} was there before"))
        return None

    async def _finish(self, task: Task[Outcome]) -> None:
        """Asks what a task wants to know until it has an outcome, or the run stops."""
        answers: dict[str, Answer] = {}
        while requests := requests_in(step := task.proceed(answers)):
            again = [request.step for request in requests if request.step in answers]
            assert not again, f"{task.id} asks {again} again, which is answered"
            found = await asyncio.gather(*map(self.attempts.answer, requests), return_exceptions=True)
            failure = next((each for each in found if isinstance(each, BaseException)), None)
            if failure is not None:  # but not before the others are back
                raise failure
            rejected = next((each for each in found if isinstance(each, Rejected)), None)
            if rejected is not None:
                return self._end(task, rejected)
            if None in found:
                self.unfinished += 1
                return None
            for request, each in zip(requests, found, strict=True):
                if isinstance(each, Answer):
                    answers[request.step] = each
        self._end(task, step)  # pyright: ignore[reportArgumentType]
        return None

    def _end(self, task: Task[Outcome], outcome: Outcome | Rejected) -> None:
        """Hands an outcome over."""
        if isinstance(outcome, Rejected):
            self.rejected[outcome.reason] += 1
            self.words.setdefault(outcome.reason, outcome.detail)
        else:
            self.outcomes += 1
        self._on_outcome(task, outcome)
        self._progress.update(1)
