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


def chosen_by_default(group: str) -> list[str]:
    """The options of a group that a training run has where none is named."""
    defaults = OmegaConf.load(conf_dir() / "train.yaml").defaults
    return [name for entry in defaults if isinstance(entry, DictConfig) for name in entry.get(group, ())]


def followers_of_w(file: Path) -> list[str]:
    """The margin rewards whose weight was typed as ${w}, in the configuration of a run from before null said so."""
    rewards = OmegaConf.select(OmegaConf.load(file), "margin_reward") if file.exists() else None
    nodes = {} if rewards is None else {str(name): rewards._get_node(name) for name in rewards}
    return [
        n for n, node in nodes.items() if isinstance(node, DictConfig) and OmegaConf.is_interpolation(node, "weight")
    ]


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data, resolved; what is still missing is left out, and so is the logger.

    A logger's settings name the run's folder, which is known only once Hydra has made it.
    """
    names = [str(name) for name in config if not OmegaConf.is_missing(config, str(name)) and name != "logger"]
    return {name: _resolved(config, name) for name in names}


def _resolved(config: DictConfig, name: str) -> Any:
    value = config[name]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
