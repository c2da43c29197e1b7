"""Asks a teacher about documents and keeps what came of each: a judged pair, or why there is none and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import tee

from summpo.synthesis.asking import Asked, ask
from summpo.synthesis.documents import Split
from summpo.synthesis.estimate import Estimate, estimate
from summpo.synthesis.journal import Journal
from summpo.synthesis.modes import Mode
from summpo.synthesis.records import Answer, Document, JudgedPair, Rejected, Request, Task, requests_in
from summpo.synthesis.teacher import Teacher

NO_ANSWER = ("duplicate_id", "bad_request", "unanswered")
"""Why a task has no answer to read; all other reasons are of what was read."""


@dataclass(frozen=True)
class Failed:
    """A document that came to no pair."""

    document_id: str
    source: str
    why: Rejected
    answers: Mapping[str, Answer]
    """As they were given, by their step."""


@dataclass
class Collected:
    """Of the documents of a split."""

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
    """By the task itself: ids may come twice."""

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
            answers = {} if outcome.reason in NO_ANSWER else answers_of(task, teacher, journal)
            found[split].failed.append(Failed(document.id, document.source, outcome, answers))

    asked = ask(tasks(), teacher, journal, keep, max_cost=max_cost, seed=seed, total=total)
    return found, asked


def answers_of(task: Task[JudgedPair], teacher: Teacher, journal: Journal) -> dict[str, Answer]:
    """What the journal has been told of a task, by the step that asked."""
    answers: dict[str, Answer] = {}
    while new := [each for each in requests_in(task.proceed(answers)) if each.step not in answers]:
        said = {request.step: journal.past(request.key(teacher.model)).answer for request in new}
        answers |= {step: answer for step, answer in said.items() if answer is not None}
        if None in said.values():
            break
    return answers


@dataclass(frozen=True)
class Imagined:
    """All requests that a document leads to, as a task that asks them at once."""

    id: str
    requests: Sequence[Request]

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | Rejected:
        """Those that are not answered, then nothing more."""
        open_ones = [request for request in self.requests if request.step not in answers]
        return open_ones or Rejected("imagined", "")


def estimated(documents: Iterable[Document], mode: Mode, teacher: Teacher) -> Estimate:
    """What the documents will cost: nothing is sent, no key is needed."""
    return estimate((Imagined(document.id, mode.imagined(document)) for document in documents), teacher)
