"""The command line: `summpo COMMAND [option=value ...]`; `python train.py` is `summpo train`.

Exit code 0 when the work is done, 2 with one sentence on stderr for what the user got wrong, 1 for what failed.
"""

from __future__ import annotations

import errno
import importlib
import os
import select
import sys
from collections.abc import Sequence

from summpo.commands.logs import on_screen
from summpo.errors import UserError, one_line, require

COMMANDS = {
    "inspect": "what pairs will teach, and which w to try: summpo inspect dataset=... margin_reward=[...]",
    "train": "fine-tune: python train.py objective=modpo w=0.1; -m for a sweep",
    "merge": "put a run's adapter into the weights under it: summpo merge run=DIR",
    "pairs": "sample summaries from a model, make preference pairs of them: summpo pairs run=DIR output_dir=DIR",
    "synthesize": "have a strong model write and judge summaries of your documents: summpo synthesize teacher=...",
    "generate": "summarise documents: summpo generate run=DIR input=paper.txt, or dataset=aclsum",
    "evaluate": "summarise held-out documents and measure: summpo evaluate run=DIR dataset=aclsum",
    "compare": "evaluated models against the first, document by document: summpo compare DIR DIR ...",
    "judge": "how often a judge model prefers one model's summaries: summpo judge run=DIR against=DIR teacher=...",
    "report": "table, front and page of several runs: summpo report DIR ... output_dir=DIR",
    "run": "a chain of stages that skips what is done: summpo run demo",
}

RUN_FOLDER = "SUMMPO_RUN_FOLDER"
"""Set while a run trains, for the other processes of a distributed run: Lightning starts them by the same command."""
NO_SUCH_PLACE = (
    errno.ENOENT, errno.ESTALE, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP,
)  # fmt: skip
DISK_REFUSES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE,
    *NO_SUCH_PLACE,
)  # fmt: skip

GROWING = "expandable_segments:True"
"""How torch holds a GPU's memory: in stretches that grow, as rows of ever other lengths would leave holes in it."""
READER_GONE = 128 + 13
"""Exit code of a command whose output nobody reads any more, as the shell has it for SIGPIPE."""
FREE_FORM = ("compare", "report", "run")
"""Commands whose arguments are not Hydra's overrides."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; a reader that goes away (`| head`) ends it without a word."""
    if not {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} & os.environ.keys():
        os.environ["PYTORCH_ALLOC_CONF"] = GROWING  # read when torch is imported
    lost: OSError | None = None
    try:
        with on_screen():
            code = command_line(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as stop:  # of a training run
        code = stop.code if isinstance(stop.code, int) else 1
    except OSError as error:
        if error.errno != errno.ENOSPC and not (isinstance(error, BrokenPipeError) and reader_has_gone()):
            raise
        code, lost = READER_GONE if isinstance(error, BrokenPipeError) else 0, error
    lost = last_of_output() or lost
    if lost is not None and not isinstance(lost, BrokenPipeError) and code == 0:
        print(f"summpo: the output cannot be written, {system_reason(lost)}", file=sys.stderr)
        return 2
    return code


def reader_has_gone() -> bool:
    """Whether nobody reads the output any more; else it was another pipe that broke, a worker's."""
    outputs = select.poll()
    for output in (sys.stdout, sys.stderr):
        outputs.register(output.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in outputs.poll(0))


def last_of_output() -> OSError | None:
    """What keeps the last of the output from being written: Python would try once more at its end, and complain."""
    if sys.stdout is None:  # it was closed from the beginning
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


def command_line(arguments: list[str]) -> int:
    """Finds the command and runs it."""
    if RUN_FOLDER in os.environ:
        return guarded("train", [])
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    name = arguments[0]
    if name not in COMMANDS:
        print(f"summpo: there is no command {one_line(name)}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return guarded(name, arguments[1:])


def quoted(argument: str) -> str:
    """An option, quoted where Hydra's grammar cannot take its value as it is: run=multirun/w=0.05, a path in Greek."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    def is_read(text: str) -> bool:
        try:
            return bool(OverridesParser.create().parse_overrides([text]))
        except (HydraException, ValueError):
            return False

    key, has_value, value = argument.partition("=")
    if argument.startswith("-") or not has_value or is_read(argument):
        return argument
    parts = value.split(",") if "=" in value else [value]  # a sweep over run folders
    escaped = [part.replace("\\", "\\\\").replace('"', '\\"') for part in parts]
    in_quotes = f"{key}=" + ",".join(f'"{part}"' for part in escaped)
    return in_quotes if is_read(in_quotes) else argument


def at_home(argument: str) -> str:
    """An option with the folders that its ~/ stand for: a shell puts them in at the start of a word alone.

    Raises:
        UserError: there is no such home.
    """
    key, has_value, value = argument.partition("=")
    if not has_value or not value.startswith("~"):
        return argument
    parts = [os.path.expanduser(part) if "/" in part else part for part in value.split(",")]  # noqa: PTH111
    lost = next((part for part in parts if part.startswith("~") and "/" in part), None)
    require(lost is None, f"there is no home folder for {lost}: set the environment variable HOME (config key {key})")
    return f"{key}={','.join(parts)}"


def guarded(name: str, arguments: list[str]) -> int:
    """Runs a command; what the user can put right ends in one sentence and exit code 2."""
    try:
        require(
            name == "train" or not {"-m", "--multirun"} & set(arguments),
            "-m is for summpo train alone: give this command once for each value",
        )
        arguments = [at_home(argument) for argument in arguments]
        return importlib.import_module(f"summpo.commands.{name}").run(
            arguments if name in FREE_FORM else [quoted(argument) for argument in arguments]
        )
    except UserError as error:
        print(f"summpo {name}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in DISK_REFUSES:
            raise
        print(f"summpo {name}: {disk_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"summpo {name}: interrupted; the same command goes on from what is done", file=sys.stderr)
        return 130


def disk_sentence(error: OSError) -> str:
    """A full disk or a folder without permission, in one sentence."""
    where = f" ({error.filename})" if error.filename else ""
    advice = "; what was written before is kept; the same command goes on from there"
    return one_line(f"{system_reason(error)}{where}{advice if error.errno not in NO_SUCH_PLACE else ''}")


def system_reason(error: OSError) -> str:
    """What the operating system says of it."""
    return (error.strerror or str(error)).lower()


def usage() -> str:
    """What `summpo --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        ["usage: summpo COMMAND [option=value ...]", "", *lines, "", "summpo COMMAND --help lists its options."]
    )
