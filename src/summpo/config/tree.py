"""The configuration tree: where it lies, what its groups offer, and its values as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf


def conf_dir() -> Path:
    """The folder of the configuration tree."""
    package = Path(__file__).parents[1]
    installed, beside_sources = package / "conf", package.parents[1] / "conf"
    return installed if installed.is_dir() else beside_sources


def options_of(group: str) -> str:
    """The options of a group, for a sentence."""
    return ", ".join(sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))) or "none"


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data, resolved; what is still missing is left out, and so is the logger.

    A logger's settings name the run's folder, which is known only once Hydra has made it.
    """
    names = [str(name) for name in config if not OmegaConf.is_missing(config, str(name)) and name != "logger"]
    return {name: _resolved(config, name) for name in names}


def _resolved(config: DictConfig, name: str) -> Any:
    value = config[name]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
