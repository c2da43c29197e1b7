"""From a command line to a composed configuration, and from Hydra's and OmegaConf's errors to one sentence.

The configuration tree is conf/ beside the package's sources, or inside the installed package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from summpo.commands.options import (
    EvaluateConfig,
    GenerateConfig,
    InspectConfig,
    JudgeConfig,
    MergeConfig,
    PairsConfig,
    SynthesizeConfig,
    TrainConfig,
)
from summpo.config import tree
from summpo.config.complaints import Options, sentence_of, unknown, why_unread
from summpo.config.tree import options_of, plain
from summpo.errors import UserError, require
from summpo.files.cache import cache_folder

SCHEMAS = {
    "train": TrainConfig,
    "inspect": InspectConfig,
    "merge": MergeConfig,
    "generate": GenerateConfig,
    "evaluate": EvaluateConfig,
    "pairs": PairsConfig,
    "synthesize": SynthesizeConfig,
    "judge": JudgeConfig,
}

LONGEST_NAME = 250
"""Characters of a file's name without its end, at most, as file systems have it."""


def register_schema(command: str) -> None:
    """Makes a command's typed root known to Hydra as `<command>_schema`."""
    _register(command, cache_folder())


@lru_cache(maxsize=1)
def _register(command: str, cache_dir: str) -> None:
    """The same, unless it was the last one asked for and the machine's own default is what it was."""
    ConfigStore.instance().store(name=f"{command}_schema", node=unlocked(OmegaConf.structured(SCHEMAS[command])))


@cache
def schema_of(command: str) -> DictConfig:
    """A command's typed root, to look into and not to change; making one takes as long as reading it all."""
    return unlocked(OmegaConf.structured(SCHEMAS[command]))


def unlocked(node: DictConfig) -> DictConfig:
    """The node, with leave to be set: OmegaConf locks what a frozen dataclass describes."""
    node._set_flag("readonly", None)
    for name in [] if node._is_none() or node._is_missing() else list(node):
        child = node._get_node(name)
        if isinstance(child, DictConfig):
            unlocked(child)
    return node


def compose_config(command: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of a command with these overrides.

    Raises:
        UserError: one sentence naming the option and the value.
    """
    config = composed(command, overrides)
    require_given(config, command)
    try:
        plain(config)  # an interpolation that leads nowhere is found here, and not by who reads its value
    except OmegaConfBaseException as error:
        raise UserError(sentence_of(error, options=known_options(command))) from None
    require_known(config, schema_of(command), command)
    for field in fields(SCHEMAS[command]):
        require(field.name in config or OmegaConf.is_missing(config, field.name), f"{field.name} is required")
    return config


def composed(command: str, overrides: Sequence[str]) -> DictConfig:
    """The same before it is looked at: values may be missing, or lead nowhere.

    Raises:
        UserError: an override that cannot be read, or that Hydra refuses.
    """
    register_schema(command)
    for override in overrides:
        require(not override.startswith("-"), f"options are given as key=value, got {override}")
    require_options(parsed(overrides))
    overrides = [as_addition(override, command) for override in overrides]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(tree.conf_dir()), version_base="1.3", job_name=command):
            return compose(command, list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(sentence_of(error, options=known_options(command))) from None
    finally:
        GlobalHydra.instance().clear()


def as_addition(override: str, command: str) -> str:
    """The override, with leave to add its key: to a dictionary of names that are not ours, or to scale a margin reward.

    A margin reward's yaml need not repeat weight, normalize, scale and clip: `WeightedMargin` has defaults for all.
    """
    if override.startswith(("teacher.extra_body.", "trainer.")):  # an endpoint's names, Lightning's names
        return f"++{override}"
    named = re.match(r"margin_reward\.(\w+)\.(weight|normalize|scale|clip)=", override)
    if not named:
        return f"++{override}" if names_freely(override.partition("=")[0], command) else override
    file = tree.conf_dir() / "margin_reward" / f"{named[1]}.yaml"
    if not file.is_file():  # a reward that the command line itself makes, or a name that is none
        return override if named[2] == "weight" else f"++{override}"
    is_declared = OmegaConf.select(OmegaConf.load(file), f"{named[1]}.{named[2]}", default="") != ""
    return override if is_declared else f"++{override}"


def names_freely(key: str, command: str) -> bool:
    """Whether the key is, or lies in, a dictionary of typed values by the user's names, such as rules.train.quotas."""
    node: Any = schema_of(command)
    for part in key.split("."):
        node = node._get_node(part) if isinstance(node, DictConfig) and part in list(node) else None
        if isinstance(node, DictConfig) and node._metadata.element_type is not Any:
            return True
    return False


def parsed(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them.

    Raises:
        UserError: one of them is none.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UserError(sentence_of(error)) from None


def require_options(overrides: Sequence[Override]) -> None:
    """Refuses what names no option of its group, or names several where Hydra would take one of them or mix them.

    Raises:
        UserError: naming the group and what was given.
    """
    for override in overrides:
        require(override.key_or_group != "", f"cannot read {override.input_line}: {why_unread('')}")
    chosen = [override for override in overrides if is_group(override.key_or_group) and not override.is_delete()]
    rewards = [override.get_value_element_as_str() for override in chosen if override.key_or_group == "margin_reward"]
    several = ",".join(value.strip("[]") for value in rewards)
    require(len(rewards) < 2, f"margin_reward is given {len(rewards)} times; several together are [{several}]")
    for override in chosen:
        if not override.is_sweep_override():
            require_option(override.key_or_group, override.value(), override.get_value_element_as_str())


def is_group(key: str) -> bool:
    """Whether Hydra takes a key for a group's, and what it is set to for an option's name."""
    return key == "hydra" or "/" in key or (key != "" and (tree.conf_dir() / key).is_dir())


def require_option(group: str, value: Any, typed: str) -> None:
    """Refuses a group's value that is no name, nor a list of names that differ and make keys that differ.

    A dictionary is no choice, but sets keys of what is chosen. experiment=null is no experiment.

    Raises:
        UserError: naming the group and what was given.
    """
    if isinstance(value, dict) or (group == "experiment" and value is None):
        return
    there_are = f"; there are {options_of(group)}" if (tree.conf_dir() / group).is_dir() else ""
    is_named = value is not None and value != ""
    require(is_named, f"{group}={typed} names no option of the group {group}{there_are}")
    names = value if isinstance(value, list) else [value]
    require("???" not in names, f"{group} is required, got {typed}{there_are}")
    for name in names:
        may_be = isinstance(name, str) and len(name) < LONGEST_NAME
        typed_name = name if isinstance(name, str) else json.dumps(name, default=str)
        require(may_be, f"{group} has no option {typed_name}{there_are}")
    twice = next((name for name in names if names.count(name) > 1), None)
    require(twice is None, f"{group} names {twice} twice: choose it once, with one weight, got {typed}")
    made_by: dict[str, str] = {}
    for name in map(str, names):
        file = tree.conf_dir() / group / f"{name}.yaml"
        for key in OmegaConf.load(file) if file.is_file() else ():
            other = made_by.setdefault(str(key), name)
            require(other == name, f"{group}={typed}: {other} and {name} are both named {key} in their files")


def require_given(config: DictConfig, command: str) -> None:
    """Refuses a value that is missing (???) where the command has one by default.

    What a group's option asks for is told by who builds it.

    Raises:
        UserError: naming the key.
    """
    required = missing_in(schema_of(command))
    homeless = "cache_dir is required, as there is no home folder for it: set it, or the variable SUMMPO_CACHE"
    for key in missing_in(config):
        require(key != "cache_dir", homeless)
        require(key in required, f"{key} is required, got ???")


def missing_in(node: Any, key: str = "") -> list[str]:
    """The keys of what is missing in a node, but for what something is built of: that has a `_target_`."""
    if node._is_missing():
        return [key]
    if not isinstance(node, DictConfig | ListConfig) or node._is_none() or node._is_interpolation():
        return []
    names: list[Any] = list(range(len(node)) if isinstance(node, ListConfig) else node.keys())
    if "_target_" in names:
        return []
    inner = [(node._get_node(name), f"{key}.{name}" if key else str(name)) for name in names]
    return [found for child, its_key in inner for found in missing_in(child, its_key)]


def known_options(command: str) -> Options:
    """Every key that a command's command line may set, dots and all."""
    return _options_in(tree.conf_dir(), command)


@cache
def _options_in(conf: Path, command: str) -> Options:
    schema = schema_of(command)
    groups = [group for group in sorted(conf.iterdir()) if group.is_dir() and group.name in schema]
    files = [(group.name, file) for group in groups for file in sorted(group.glob("*.yaml"))]
    found = [key for group, file in files for key in keys_of(OmegaConf.load(file), f"{group}.")]
    return Options(command, list(dict.fromkeys([*keys_of(schema), *found])))


def keys_of(node: Any, under: str = "") -> list[str]:
    """The keys of a configuration and of all within it, dots and all."""
    found = []
    for name in node if isinstance(node, DictConfig) and not (node._is_none() or node._is_missing()) else ():
        found += [f"{under}{name}", *keys_of(node._get_node(name), f"{under}{name}.")]
    return found


def require_known(config: DictConfig, schema: DictConfig, command: str, under: str = "") -> None:
    """Refuses a key that the typed root does not have, at whatever depth it is typed (+trainer.x=1 would get in).

    Raises:
        UserError: naming the key.
    """
    known = list(schema)  # `in` a DictConfig overlooks what is still missing
    for name in config:
        key = f"{under}{name}"
        require(name in known, "" if name in known else unknown(key, known_options(command)))
        child = schema._get_node(str(name))
        typed = isinstance(child, DictConfig) and is_dataclass(child._metadata.object_type)
        if typed and isinstance(config._get_node(str(name)), DictConfig) and config[name] is not None:
            require_known(config[name], child, command, f"{key}.")  # type: ignore[arg-type]
