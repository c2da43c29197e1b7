"""The command line as a process among others: readers that go away, a home that is not there, disks that refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from summpo.commands import READER_GONE, at_home
from summpo.commands.options import cache_folder
from summpo.errors import UserError

SUMMPO = [sys.executable, "-c", "import sys; from summpo.commands import main; sys.exit(main())"]
TALKS = (
    "import sys; from summpo import commands; commands.command_line = lambda arguments: {}; sys.exit(commands.main())"
)

BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def piped(command: list[str]) -> tuple[int, str]:
    """The exit code and stderr of a command whose output nobody reads."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, env=BUFFERED)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_that_is_not_read_to_its_end(arguments: list[str]) -> None:
    assert piped([*SUMMPO, *arguments]) == (0, "")


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("print('x' * 100_000) or 0", READER_GONE),  # more than is kept back: it fails in mid-work
        ("print('done') or 1", 1),
        ("(print('done'), sys.exit(2))", 2),  # as a training run ends
        ("print('x', flush=True) or 0", READER_GONE),
    ],
)
def test_a_reader_that_goes_away_ends_a_command_without_a_word(does: str, code: int) -> None:
    assert piped([sys.executable, "-c", TALKS.format(does)]) == (code, "")


def test_help_that_is_not_read_at_all_and_not_kept_back() -> None:
    unbuffered = [sys.executable, "-u", *SUMMPO[1:]]
    assert piped([*unbuffered, "--help"]) == (READER_GONE, "")


def test_another_pipe_that_breaks_is_told() -> None:
    code, err = piped([sys.executable, "-c", TALKS.format("[][0]")])
    assert code == 1 and "IndexError" in err
    done = subprocess.run(
        [sys.executable, "-c", TALKS.format("(_ for _ in ()).throw(BrokenPipeError(32, 'of a worker'))")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "of a worker" in done.stderr


def test_output_onto_a_full_disk() -> None:
    for python in ([sys.executable], [sys.executable, "-u"]):
        with Path("/dev/full").open("wb") as full:
            command = [*python, *SUMMPO[1:], "--help"]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=BUFFERED)
        assert done.returncode == 2
        assert done.stderr == "summpo: the output cannot be written, no space left on device\n"


def test_no_output_at_all() -> None:
    done = subprocess.run(["sh", "-c", '"$0" "$@" >&-', *SUMMPO, "--help"], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_home(tmp_path: Path) -> None:
    """The cache has its place by the user's entry in the system, or is asked for; help is printed all the same."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "SUMMPO_CACHE")}
    ask = [*SUMMPO, "merge", "model.path=./nowhere", "model.adapter=./nowhere", "output_dir=out"]
    done = subprocess.run(ask, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2 and "nowhere" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_who_has_no_home_at_all_is_asked_for_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from summpo.commands import main
    from summpo.commands.compose import compose_config
    from summpo.commands.help import help_of

    monkeypatch.setenv("HOME", "~")  # what os.path.expanduser leaves where there is no entry either
    monkeypatch.delenv("SUMMPO_CACHE", raising=False)
    with pytest.raises(UserError, match=r"^cache_dir is required, as there is no home folder for it"):
        compose_config("train", [])
    assert compose_config("train", [f"cache_dir={tmp_path}"]).cache_dir == str(tmp_path)
    assert "cache_dir" in help_of("train")
    assert main(["train", "output_dir=~/out"]) == 2
    monkeypatch.setenv("SUMMPO_CACHE", str(tmp_path))
    assert cache_folder() == str(tmp_path)


def test_home_is_put_in_where_no_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mine")
    assert at_home("output_dir=~/runs/w=0.1") == "output_dir=/home/mine/runs/w=0.1"
    assert at_home("run=~/a,~/b") == "run=/home/mine/a,/home/mine/b"
    for as_it_is in ("~w", "w=0.1", "prompt.template=a ~/b", "objective=~", "~/folder"):
        assert at_home(as_it_is) == as_it_is
    with pytest.raises(UserError, match=r"no home folder for ~nobody-at-all/x.*config key output_dir"):
        at_home("output_dir=~nobody-at-all/x")
