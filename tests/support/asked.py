"""Tasks for the tests of asking, and runs of them in processes that can be killed.

A run is forked from a process that has imported everything and asked nothing, so it costs milliseconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from summpo.teacher.asking import Asked, ask
from summpo.teacher.journal import open_journal
from summpo.teacher.records import Answer, Request
from summpo.teacher.teacher import Teacher
from summpo.text.documents import Rejected
from support.fault_server import MODEL

MADE_FROM = {"mode": "test"}


@dataclass(frozen=True)
class Question:
    """One request; what is said to it is the outcome, but for an answer that is cut or empty."""

    id: str
    text: str = ""
    max_tokens: int = 50

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | str | Rejected:
        if "ask" not in answers:
            return [Request(self.id, "ask", (("user", self.text or self.id),), self.max_tokens, 0.0)]
        said = answers["ask"]
        if said.finish_reason == "length":
            return Rejected("truncated", "by max_tokens")
        return said.text or Rejected("empty", "nothing was said")


@dataclass(frozen=True)
class WriteAndJudge:
    """A request, then two at once that hang on its answer."""

    id: str

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | str | Rejected:
        if "write" not in answers:
            return [Request(self.id, "write", (("user", f"write {self.id}"),), 50, 0.7)]
        judged = [name for name in ("judge_12", "judge_21") if name in answers]
        if not judged:
            return [
                Request(self.id, name, (("system", "judge"), ("user", f"{name} of {answers['write'].text}")), 9, 0.0)
                for name in ("judge_12", "judge_21")
            ]
        return " / ".join(answers[name].text for name in judged)


Outcomes = dict[str, str | Rejected]


def teacher(url: str, **settings: Any) -> Teacher:
    """A teacher that retries without much waiting."""
    return Teacher(**{"url": url, "model": MODEL, "backoff": 0.01, "timeout": 5.0} | settings)


def asked(tasks: Sequence[Any], who: Teacher, folder: Path, **options: Any) -> tuple[Asked, Outcomes]:
    """Asks, with the journal in a folder."""
    outcomes: Outcomes = {}
    with open_journal(folder / "journal.sqlite", MADE_FROM) as journal:
        found = ask(
            tasks, who, journal, lambda task, outcome: outcomes.update({task.id: outcome}),
            **{"shows_progress": False} | options,
        )  # fmt: skip
    return found, outcomes


def run(url: str, folder: Path, count: int) -> None:
    """What a killable process does; its outcomes are in outcomes.json at its end."""
    tasks = [WriteAndJudge(f"document {number}") for number in range(count)]
    (folder / "outcomes.json").unlink(missing_ok=True)
    _, outcomes = asked(tasks, teacher(url, max_in_flight=8), folder)
    (folder / "outcomes.json").write_text(json.dumps(outcomes))


class Runs:
    """A process that forks a run for each order, and kills it when its time is over."""

    def __enter__(self) -> Self:
        tests = Path(__file__).resolve().parents[1]
        command = [sys.executable, "-c", "import openai; from support import asked; asked.take_orders()"]
        paths = os.pathsep.join([str(tests), str(tests.parent / "src")])
        self._process = subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": paths}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def go(self, url: str, folder: Path, count: int, seconds: float | None) -> int:
        """One run; its exit code, minus the signal where it was killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([url, str(folder), count, seconds]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def take_orders() -> None:
    """The other side of `Runs`."""
    for line in sys.stdin:
        url, folder, count, seconds = json.loads(line)
        child = os.fork()
        if child == 0:
            run(url, Path(folder), count)
            os._exit(0)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
