"""Asks a teacher about documents and keeps what came of each: a judged pair, or why there is none and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import tee

from summpo.documents import Split
from summpo.synthesis.modes import Mode
from summpo.synthesis.records import JudgedPair
from summpo.teacher.asking import Asked, ask
from summpo.teacher.attempts import LOST, UNANSWERED
from summpo.teacher.estimate import Estimate, estimate
from summpo.teacher.journal import Journal
from summpo.teacher.records import Answer, Request, Task, requests_in
from summpo.teacher.teacher import Teacher
from summpo.text.documents import Document, Rejected

NO_ANSWER = ("duplicate_id", "bad_request", "forbidden", "unexpected_status", UNANSWERED, LOST)
"""Why a task has no answer to read; all other reasons are of what was read."""


@dataclass(frozen=True)
class Failed:
    """A document that came to no pair."""

    document_id: str
    source: str
    why: Rejected
    answers: Mapping[str, Answer]
    """The answers as they were given, by their step."""


@dataclass
class Collected:
    """What came of the documents of a split."""

    pairs: list[JudgedPair] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def collect(
    documents: Mapping[Split, Iterable[Document]],
    total: int,
    mode: Mode,
    teacher: Teacher,
    journal: Journal,
    max_cost: float | None,
    seed: int,
) -> tuple[dict[Split, Collected], Asked]:
    """Brings every document to a pair or a reason, as far as the budget goes.

    Raises:
        UserError: as `ask`.
    """
    found: dict[Split, Collected] = {split: Collected() for split in documents}
    under_way: dict[int, tuple[Split, Document]] = {}
    """Split and document of each task, by the task itself: ids may come twice."""

    def tasks() -> Iterable[Task[JudgedPair]]:
        for split, part in documents.items():
            ahead, behind = tee(part)
            for document, task in zip(ahead, mode.tasks(behind), strict=True):
                under_way[id(task)] = split, document
                yield task

    def keep(task: Task[JudgedPair], outcome: JudgedPair | Rejected) -> None:
        """Files an outcome under its document's split, and lets the document go where nothing came of it."""
        split, document = under_way.pop(id(task))
        if isinstance(outcome, JudgedPair):
            found[split].pairs.append(outcome)
        else:
            said = [] if outcome.reason in NO_ANSWER else answers_so_far(task, teacher, journal)
            answers = {request.step: answer for request, answer in said}
            found[split].failed.append(Failed(document.id, document.source, outcome, answers))

    asked = ask(tasks(), teacher, journal, keep, max_cost=max_cost, seed=seed, total=total)
    return found, asked


def answers_so_far(task: Task[JudgedPair], teacher: Teacher, journal: Journal) -> list[tuple[Request, Answer]]:
    """What a task has asked so far and the journal has been told, in order."""
    found: list[tuple[Request, Answer]] = []
    while new := requests_in(task.proceed({request.step: answer for request, answer in found})):
        said = [(request, journal.past(teacher.key_of(request)).answer) for request in new]
        found += [(request, answer) for request, answer in said if answer is not None]
        if any(answer is None for _, answer in said):
            break
    return found


@dataclass(frozen=True)
class Imagined:
    """All requests that a document leads to, as a task that asks them at once."""

    id: str
    requests: Sequence[Request]

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | Rejected:
        """Those that are not answered, then nothing more."""
        open_ones = [request for request in self.requests if request.step not in answers]
        return open_ones or Rejected("imagined", "")


def estimated(documents: Iterable[Document], mode: Mode, teacher: Teacher, journal: Journal | None = None) -> Estimate:
    """What the documents will still cost: nothing is sent, no key is needed.

    Args:
        journal: of an earlier run; what it answers costs nothing, and says what is asked next.
    """

    def tasks() -> Iterable[Imagined]:
        ahead, behind = tee(documents)
        for document, task in zip(ahead, mode.tasks(behind), strict=True):
            said = answers_so_far(task, teacher, journal) if journal else []
            answers = {request.step: answer for request, answer in said}
            asks_more = bool(requests_in(task.proceed(answers)))
            ahead_of_it = [each for each in mode.imagined(document) if each.step not in answers] if asks_more else []
            yield Imagined(document.id, [request for request, _ in said] + ahead_of_it)

    return estimate(tasks(), teacher, journal=journal)
