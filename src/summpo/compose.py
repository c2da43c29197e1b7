"""From a command line to a composed configuration, and from Hydra's and OmegaConf's errors to one sentence.

The configuration tree is conf/ beside the package's sources, or inside the installed package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from summpo.config import EvaluateConfig, GenerateConfig, InspectConfig, MergeConfig, PairsConfig, TrainConfig
from summpo.errors import UserError, require

SCHEMAS = {
    "train": TrainConfig,
    "inspect": InspectConfig,
    "merge": MergeConfig,
    "generate": GenerateConfig,
    "evaluate": EvaluateConfig,
    "pairs": PairsConfig,
}


def conf_dir() -> Path:
    """The folder of the configuration tree."""
    package = Path(__file__).parent
    installed, beside_sources = package / "conf", package.parents[1] / "conf"
    return installed if installed.is_dir() else beside_sources


def register_schemas() -> None:
    """Makes the typed roots known to Hydra as `<command>_schema`."""
    for command, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{command}_schema", node=schema)


def compose_config(command: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of a command with these overrides.

    Raises:
        UserError: one sentence naming the option and the value.
    """
    register_schemas()
    for override in overrides:
        require(not override.startswith("-"), f"summpo {command} takes options as key=value, got {override}")
        require_distinct(override)
    overrides = [may_add(override) for override in overrides]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name=command):
            config = compose(command, list(overrides))
        plain(config)  # an interpolation that leads nowhere is found here, and not by who reads its value
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(sentence_of(error)) from None
    except ValueError as error:  # Hydra's, of a group that is set to null or to a number
        raise UserError(f"cannot read {' '.join(overrides)}: {error}") from None
    finally:
        GlobalHydra.instance().clear()
    require_known(config, OmegaConf.structured(SCHEMAS[command]), command)
    for field in fields(SCHEMAS[command]):
        require(field.name in config or OmegaConf.is_missing(config, field.name), f"{field.name} is required")
    return config


def may_add(override: str) -> str:
    """The override, with leave to add its key where it scales a margin reward whose yaml says nothing of scaling.

    `WeightedMargin` has the defaults of normalize, scale and clip for all rewards; a yaml need not repeat them.
    """
    named = re.match(r"margin_reward\.(\w+)\.(normalize|scale|clip)=", override)
    if not named:
        return override
    file = conf_dir() / "margin_reward" / f"{named[1]}.yaml"
    is_declared = file.is_file() and OmegaConf.select(OmegaConf.load(file), f"{named[1]}.{named[2]}", default="") != ""
    return override if is_declared else f"++{override}"


def require_distinct(override: str) -> None:
    """Refuses a list of a group's options that names one twice, of which Hydra would take one.

    Raises:
        UserError: naming the group and the option.
    """
    group, _, value = override.partition("=")
    if (conf_dir() / group.strip()).is_dir() and re.fullmatch(r"\[[\w\s,]*\]", value):
        names = [name.strip() for name in value[1:-1].split(",")]
        twice = [name for name in names if names.count(name) > 1]
        require(
            not twice, f"{group} names {twice[0] if twice else ''} twice: choose it once, with one weight, got {value}"
        )


def require_known(config: DictConfig, schema: DictConfig, command: str, under: str = "") -> None:
    """Refuses a key that the typed root does not have, at whatever depth it is typed (+trainer.x=1 would get in).

    Raises:
        UserError: naming the key.
    """
    known = list(schema)  # `in` a DictConfig overlooks what is still missing
    for name in config:
        key = f"{under}{name}"
        require(name in known, f"unknown option {key}; summpo {command} --help lists the options")
        child = schema._get_node(str(name))
        typed = isinstance(child, DictConfig) and is_dataclass(child._metadata.object_type)
        if typed and isinstance(config._get_node(str(name)), DictConfig) and config[name] is not None:
            require_known(config[name], child, command, f"{key}.")  # type: ignore[arg-type]


def sentence_of(error: BaseException, under: str = "") -> str:
    """What Hydra or OmegaConf found wrong, as one sentence with the full key and the value."""
    cause: BaseException = error
    while cause.__cause__ is not None and not getattr(cause, "full_key", None):
        cause = cause.__cause__
    key = getattr(cause, "full_key", None) or ""
    key = ".".join(part for part in (under, key) if part)
    text = str(cause if key else error)
    for tail in ("\n    full_key:", "\nTo append to your config", "\nSee https://hydra.cc", "\nConfig search path"):
        text = text.split(tail)[0]
    absent = re.match(r"In '.*': Could not (?:find|load) '(.*)/(.*?)'", text)
    if absent:
        options = sorted(path.stem for path in (conf_dir() / absent[1]).glob("*.yaml"))
        return f"{absent[1]} has no option {absent[2]}; there are {', '.join(options) or 'none'}"
    text = re.sub(r"\s+", " ", text).strip()
    mistyped = re.match(r"Value '(.*?)' (?:(?:of type '.*?' )?could not be converted to|is not a valid) (\w+)", text)
    if mistyped:
        kind = {"Float": "a number", "Integer": "a whole number", "bool": "true or false"}.get(mistyped[2], mistyped[2])
        return f"{key.rsplit('.', 1)[-1]} must be {kind}, got {mistyped[1]} (config key {key})"
    if key and re.search(r"^field '.*' is not Optional", text):
        return f"{key.rsplit('.', 1)[-1]} must not be null (config key {key})"
    followed = re.match(r"While dereferencing interpolation '\$\{(.*?)\}': Incompatible value '(.*?)'", text)
    if followed:
        name, value = followed[1], followed[2]
        return f"{name.rsplit('.', 1)[-1]} must not be {value} (config key {name}, which {key} follows)"
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override}: {text}"
    reward = re.fullmatch(r"margin_reward\.(\w+)", key)
    if reward and (conf_dir() / "margin_reward" / f"{reward[1]}.yaml").is_file():
        return f"{key} is set and this margin reward is not chosen: name it, as in margin_reward=[{reward[1]}]"
    if key and re.search(r"is not in struct|not in '\w+'|Could not override", text):
        return f"unknown option {key}"
    if re.search(r"issing mandatory value", text):
        return f"{key or text.split(':')[-1].strip()} is required"
    return f"{key}: {text}" if key else text


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data, resolved; what is still missing is left out, and so is the logger.

    A logger's settings name the run's folder, which is known only once Hydra has made it.
    """
    names = [str(name) for name in config if not OmegaConf.is_missing(config, str(name)) and name != "logger"]
    return {name: _resolved(config, name) for name in names}


def _resolved(config: DictConfig, name: str) -> Any:
    value = config[name]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
