"""Every key of every command and of every option of a group, given what it cannot use: one short line, and no traceback.

The keys are read from the configuration itself, so one that is added is tried too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from summpo.commands import main
from summpo.commands.compose import SCHEMAS, keys_of
from summpo.config.tree import conf_dir

NOWHERE = {
    "train": ["objective=modpo", "dataset=jsonl", "dataset.path=nowhere", "model.path=./nowhere", "output_dir=out"],
    "inspect": ["dataset=jsonl", "dataset.path=nowhere", "model.path=./nowhere"],
    "merge": ["model.path=./nowhere", "model.adapter=./nowhere", "output_dir=out"],
    "generate": ["model.path=./nowhere", "output_dir=out"],
    "evaluate": ["model.path=./nowhere", "output_dir=out"],
    "pairs": ["model.path=./nowhere", "output_dir=out"],
    "synthesize": ["documents.path=nowhere", "model.path=./nowhere", "output_dir=out", "teacher.model=m"],
    "judge": ["run=nowhere", "against=nowhere", "teacher.model=m"],
}
"""Command lines that are right but for a model or a folder that is nowhere: whatever else they get, they end there."""
LONG = "x" * 5000
ODD = (
    "null",
    "[]",
    "{}",
    "5",
    "-1.5",
    "true",
    "''",
    "[1,2]",
    "{a:1}",
    "nan",
    "[???]",
    "${nowhere}",
    LONG,
    "~/x",
    "'a\nb'",
)
ALONE = {"output_dir", "run", "input", "against"}
"""Keys for which a path of one's own is right: the walk sets them to what no file system takes."""


def told(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr that the command ends with."""
    code = main(argv)
    err = capsys.readouterr().err
    said = f"{[argument[:80] for argument in argv]} -> {code}: {err[:400]}"
    assert code == 2 and err.count("\n") == 1 and err.startswith(f"summpo {argv[0]}: "), said
    assert len(err) < 1500 and "Traceback" not in err and "Error:" not in err, said
    return err


def groups(command: str) -> list[str]:
    """The groups that a command chooses from."""
    chosen = OmegaConf.load(conf_dir() / f"{command}.yaml").defaults
    names = [str(name) for entry in chosen if isinstance(entry, DictConfig) for name in entry]
    return [name for name in names if (conf_dir() / name).is_dir()]


def keys_of_options(group: str) -> list[tuple[str, str]]:
    """Every option of a group with each of its keys."""
    found = []
    for file in sorted((conf_dir() / group).glob("*.yaml")):
        node: Any = OmegaConf.load(file)
        of_root = "# @package _global_" in file.read_text("utf-8")
        found += [(file.stem, key) for key in keys_of(node, "" if of_root else f"{group}.") if group != "experiment"]
    return found


def own_keys() -> dict[str, list[str]]:
    """The keys of each command's schema that no command before it has."""
    seen: set[str] = set()
    found = {}
    for command, schema in SCHEMAS.items():
        keys = [key for key in keys_of(OmegaConf.structured(schema)) if key not in seen]
        seen |= set(keys)
        found[command] = keys
    return found


def without(line: list[str], *keys: str) -> list[str]:
    return [option for option in line if option.partition("=")[0] not in keys]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder to be in; nothing is left there."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", SCHEMAS)
def test_a_key_without_a_value_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last key of each section: what is missing is looked for section by section, whatever its type."""
    sections = {key.rpartition(".")[0]: key for key in keys_with_a_value(command)}
    try_without_values(command, list(sections.values()), capsys)


@pytest.mark.storm
@pytest.mark.parametrize("command", SCHEMAS)
def test_every_key_without_a_value_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try_without_values(command, keys_with_a_value(command), capsys)


def keys_with_a_value(command: str) -> list[str]:
    """A command's own keys that are no group's and have a value by default; cache_dir's is the machine's."""
    schema = OmegaConf.structured(SCHEMAS[command])
    keys = [key for key in own_keys()[command] if key not in groups(command)]
    return [key for key in keys if key == "cache_dir" or not OmegaConf.is_missing(schema, key)]


def try_without_values(command: str, keys: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert keys
    for key in keys:
        line = told([command, *without(NOWHERE[command], key), f"{key}=???"], capsys)
        assert key in line and ("is required" in line or "must be a dictionary" in line), (key, line)


@pytest.mark.parametrize("command", SCHEMAS)
def test_a_key_with_what_it_cannot_use(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each key has one of the odd values, the next key the next one, from another on in each command."""
    values = cycle(ODD[list(SCHEMAS).index(command) :] + ODD)
    for key in own_keys()[command]:
        value = next(values) if key not in ALONE else LONG
        told([command, *without(NOWHERE[command], key), f"{key}={value}"], capsys)


GROUPS = list({group: (name, group) for name in SCHEMAS for group in groups(name)}.values())


@pytest.mark.parametrize(("command", "group"), GROUPS)
def test_a_group_and_each_key_of_its_options(command: str, group: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that several options have is tried with the last of them."""
    line = without(NOWHERE[command], group)
    for value in ("5", "true", "[1]", "[none,2.5]", LONG, "''"):
        said = told([command, *line, f"{group}={value}"], capsys)
        assert group in said and ("has no option" in said or "names no option" in said or "cannot read" in said), said
    try_keys(
        command, group, [(option, key) for key, option in {k: o for o, k in keys_of_options(group)}.items()], capsys
    )


@pytest.mark.storm
@pytest.mark.parametrize(("command", "group"), GROUPS)
def test_every_key_of_every_option(command: str, group: str, capsys: pytest.CaptureFixture[str]) -> None:
    try_keys(command, group, keys_of_options(group), capsys)


def try_keys(command: str, group: str, keys: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Each key (option, key) with an odd value, the next with the next; a logger's are tried where loggers are."""
    values = cycle(("???", LONG, *ODD))
    for option, key in keys if group != "logger" else ():
        chosen = [f"{group}={option}", f"{key}={next(values)}"]
        told([command, *without(NOWHERE[command], *(choice.partition("=")[0] for choice in chosen)), *chosen], capsys)


@pytest.mark.parametrize(
    "argument", ["=5", "+model=5", "model@x=5", "hydra=5", "hydra/launcher=5", "w", "~w", "~model", "--foo"]
)
def test_what_is_no_option_at_all(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    told(["train", *NOWHERE["train"], argument], capsys)


@pytest.mark.parametrize("name", ["report", "compare", "run"])
def test_commands_without_keys_say_no_long_argument_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    told([name, LONG, LONG], capsys)


def test_a_long_command_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([LONG]) == 2
    assert len(capsys.readouterr().err) < 800
