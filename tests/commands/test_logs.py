"""What the library says goes through its logger: a command shows it, of many processes one alone."""

from __future__ import annotations

import ast
import io
import logging
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import summpo
from summpo.commands.logs import on_screen
from summpo.files.ranks import RANKS, is_first_process

SOURCES = Path(summpo.__file__).parent
log = logging.getLogger("summpo.columns.freeze")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that nothing was told of ranks."""
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_line_is_the_sentence_alone(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    log.info("rows: 10% of them, {as it stands}")
    log.debug("of no use to a user")
    assert tuple(capsys.readouterr()) == ("rows: 10% of them, {as it stands}\n", "")


def test_lines_go_where_output_goes_at_the_time(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As when `summpo generate` prints summaries, and what else is said turns to stderr."""
    with redirect_stdout(io.StringIO()) as turned:
        log.info("first")
    log.info("second")
    assert turned.getvalue() == "first\n"
    assert capsys.readouterr().out == "second\n"


@pytest.mark.parametrize("name", RANKS)
def test_the_first_process_alone_speaks(
    name: str, alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank, speaks in (("0", True), ("1", False), ("10", False), ("", True), ("-1", True), ("Gold", True)):
        alone.setenv(name, rank)
        assert is_first_process() == speaks, rank
        log.info("one line")
        assert capsys.readouterr().out == ("one line\n" if speaks else ""), rank


def test_a_command_within_a_command_says_nothing_twice(
    alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with on_screen():
        log.info("once")
    log.info("again")
    assert capsys.readouterr().out == "once\nagain\n"


def test_afterwards_the_logger_is_as_it_was() -> None:
    logger = logging.getLogger("summpo")
    before = list(logger.handlers), logger.level, logger.propagate
    with pytest.raises(ZeroDivisionError), on_screen():
        assert not logger.propagate
        raise ZeroDivisionError
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def program(text: str, **streams: object) -> subprocess.CompletedProcess[str]:
    """A program of its own, whose output waits for more of it as through any pipe."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", *RANKS)}
    command = [sys.executable, "-c", text]
    return subprocess.run(command, text=True, check=True, env=environment, **streams)  # type: ignore[call-overload]


SPEAKS = "from summpo.datasets.shapes.usable_rows import say_once; say_once('3 rows are left out'); "


@pytest.mark.parametrize(
    ("before", "out"),
    [
        ("", ""),
        ("import logging, sys; logging.basicConfig(level='INFO', format='%(name)s: %(message)s', stream=sys.stdout); ",
         "summpo.datasets.shapes.usable_rows: 3 rows are left out\n"),
    ],
)  # fmt: skip
def test_a_library_speaks_when_it_is_asked_to(before: str, out: str) -> None:
    done = program(before + SPEAKS, capture_output=True)
    assert (done.stdout, done.stderr) == (out, "")


def test_work_goes_on_where_a_line_cannot_be_shown() -> None:
    """The disk behind the output is full; whoever runs the command hears of it at the end."""
    text = f"from summpo.commands.logs import on_screen\nwith on_screen():\n    {SPEAKS}\n"
    rest = "import sys, os\nprint('worked', file=sys.stderr)\nsys.stderr.flush()\nos._exit(0)"
    with Path("/dev/full").open("wb") as full:
        done = program(text + rest, stdout=full, stderr=subprocess.PIPE)
    assert done.stderr == "worked\n"


def test_a_line_is_shown_at_once() -> None:
    text = f"from summpo.commands.logs import on_screen\nwith on_screen():\n    {SPEAKS}\nimport os\nos._exit(0)"
    assert program(text, capture_output=True).stdout == "3 rows are left out\n"


def test_nothing_but_a_command_prints() -> None:
    files = [file for file in SOURCES.rglob("*.py") if "commands" not in file.relative_to(SOURCES).parts]
    assert len(files) > 100
    printing = [
        f"{file.relative_to(SOURCES)}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert not printing, "say it by logging.getLogger(__name__).info"
