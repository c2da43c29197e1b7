"""`summpo run demo`: a chain of stages, each a command line of its own; what is done is skipped.

A chain is conf/chain/<name>.yaml: an output_dir and stages, each with a name, a command and the files that it makes. A
stage that was interrupted is started again and goes on by itself, as its command does when it is typed once more.
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from summpo.config.complaints import sentence_of
from summpo.config.tree import conf_dir
from summpo.errors import UserError, require
from summpo.files.provenance import read_record_if_whole
from summpo.runs.run_folder import write_whole


@dataclass(frozen=True)
class ChainStage:
    """One command line of a chain."""

    name: str
    command: str
    makes: tuple[Path, ...]
    """Files or folders that are there once the stage is done."""
    always: bool
    """Run it each time, done or not: it is quick, and shows the result."""


def run(arguments: list[str]) -> int:
    """Runs the chain's stages in order, up to the first that fails."""
    names = sorted(path.stem for path in (conf_dir() / "chain").glob("*.yaml"))
    if "--help" in arguments or "-h" in arguments or not arguments:
        print(f"usage: summpo run CHAIN [key=value ...]\n\nchains: {', '.join(names)}\n\n{__doc__}")
        return 0 if arguments else 2
    output, stages = read_chain(chain_file(arguments[0], names), arguments[1:])
    started = time.monotonic()
    for number, stage in enumerate(stages, start=1):
        label = f"[{number}/{len(stages)}] {stage.name}"
        state = Path(output, "stages", f"{stage.name}.json")
        if is_done(stage, state) and not stage.always:
            print(f"{label}: done already, skipped")
            continue
        print(f"{label}: summpo {stage.command}", flush=True)
        code, seconds = run_stage(stage)
        if code != 0:
            return code
        state.parent.mkdir(parents=True, exist_ok=True)
        write_whole(state, json.dumps({"command": stage.command, "seconds": round(seconds, 1)}) + "\n")
        print(f"{label}: done in {seconds:.0f} s", flush=True)
    print(f"all {len(stages)} stages done, {time.monotonic() - started:.0f} s this time; everything is in {output}")
    return 0


def chain_file(name: str, names: list[str]) -> Path:
    """The yaml of a chain: one of summpo's own by its name, or the user's by its path."""
    if name.endswith((".yaml", ".yml")):
        require(Path(name).is_file(), f"there is no chain file {name}")
        return Path(name)
    require(name in names, f"there is no chain {name}; there are {', '.join(names)}, or give a yaml file")
    return conf_dir() / "chain" / f"{name}.yaml"


def run_stage(stage: ChainStage) -> tuple[int, float]:
    """Runs a stage in this process: what it imports, the next one has."""
    started = time.monotonic()
    code = command(shlex.split(stage.command))
    missing = [path for path in stage.makes if not path.exists()]
    if code == 0 and missing:
        raise RuntimeError(f"stage {stage.name} ended well and did not make {missing[0]}")
    return code, time.monotonic() - started


def command(argv: list[str]) -> int:
    """One command of summpo's, as typed after `summpo`."""
    from summpo.commands import main

    return main(argv)


def is_done(stage: ChainStage, state: Path) -> bool:
    """Whether the stage ran to its end with this very command, and what it made is still there."""
    ran = read_record_if_whole(state).get("command")
    return ran == stage.command and all(path.exists() for path in stage.makes)


def read_chain(file: Path, overrides: list[str]) -> tuple[str, list[ChainStage]]:
    """The chain's output folder and its stages, `overrides` on top of the file's own keys.

    Raises:
        UserError: the file is no chain, or an override names a key that the chain has not.
    """
    try:
        chain = OmegaConf.load(file)
        is_chain = isinstance(chain, DictConfig) and "stages" in chain and "output_dir" in chain
        require(is_chain, f"{file} is no chain: it needs output_dir and stages")
        assert isinstance(chain, DictConfig)
        # A folder is one word, spaces and all; the other keys hold options, and so does what replaces them.
        folders = ["output_dir", *(str(name) for name in chain if OmegaConf.is_missing(chain, name))]
        for override in overrides:
            key, has_value, value = override.partition("=")
            known = [str(name) for name in chain if name != "stages"]
            require(bool(has_value) and key in known, f"{file.stem} has no key {key} to set; it has {', '.join(known)}")
            chain[key] = option_of(key, value, chain._get_node(key))
        for name in chain:
            missing = OmegaConf.is_missing(chain, name)
            require(not missing, f"{name} is required: summpo run {file.stem} {name}=... (see {file})")
        in_commands = chain.copy()
        for key in folders:
            in_commands[key] = shlex.quote(str(chain[key]))
        numbered = enumerate(zip(in_commands.stages, chain.stages, strict=True), start=1)
        stages = [read_stage(file, number, quoted, plain) for number, (quoted, plain) in numbered]
    except OmegaConfBaseException as error:
        raise UserError(f"{file}: {sentence_of(error)}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    return str(chain.output_dir), stages


def option_of(key: str, value: str, default: Any) -> str:
    """What a key of a chain is set to: model=smollm2 says as much as model=model=smollm2 where it holds that option.

    Raises:
        UserError: the key holds options, and the value is none.
    """
    before = "" if default is None or default._is_missing() else str(default._value())
    if before.startswith(f"{key}=") and not value.startswith(f"{key}.") and not value.startswith(f"{key}="):
        return f"{key}={value}"
    is_option = "=" in value or not value.strip() or "=" not in before
    require(is_option, f"{key} holds options of a command, such as {before.split()[0] if before else ''}, got {value}")
    return value


def read_stage(file: Path, number: int, quoted: DictConfig, plain: DictConfig) -> ChainStage:
    """One stage, its command from `quoted` and the files that it makes from `plain`.

    Raises:
        UserError: it lacks a name, a command or what it makes, or its command is no command line.
    """
    stage = f"{file}: stage {number}"
    is_whole = isinstance(plain, DictConfig) and all(plain.get(key) for key in ("name", "command", "makes"))
    require(is_whole and isinstance(plain.makes, ListConfig), f"{stage} needs a name, a command and a list makes")
    command = " ".join(str(quoted.command).split())
    try:
        shlex.split(command)
    except ValueError as error:
        raise UserError(f"{stage}: {command} is no command line ({str(error).lower()})") from None
    return ChainStage(
        str(plain.name), command, tuple(Path(made) for made in plain.makes), bool(plain.get("always", False))
    )
