"""A command's configuration where `run=DIR` is given: what the run was trained with, the command line on top."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from summpo.commands.compose import compose_config, parsed
from summpo.errors import UserError, require
from summpo.runs.run_folder import RunFolder


def compose_with_run(command: str, overrides: Sequence[str], inherited: Sequence[str]) -> DictConfig:
    """The command's configuration; with `run=DIR` the `inherited` keys are the run's where the command line is silent.

    Raises:
        UserError: an option is unknown, or the run's folder holds no finished run.
    """
    config = compose_config(command, overrides)
    if config.run is None:
        return config
    run = RunFolder(Path(config.run))
    trained = trained_config(run)
    given = parsed(overrides)
    # A whole option (model=qwen2_1_5b) replaces the run's; single keys (model.dtype=bfloat16) go on top of it.
    chosen = {override.key_or_group for override in given}
    config = DictConfig(
        OmegaConf.to_container(config, resolve=False)
    )  # types were checked; from here on, keys are replaced
    for key in ("model.path", "model.adapter"):
        is_one = key not in chosen or "model" in chosen
        require(is_one, f"{key} and run={run.path} name two models: give one of them (config key {key})")
    for key in inherited:
        if key not in chosen and key in trained:
            config[key] = trained[key]
    if "w" in chosen and "margin_reward" in inherited and "margin_reward" not in chosen:
        require(
            config.w == 0 or any(reward.weight is None for reward in config.margin_reward.values()),
            f"w={config.w:g} weighs nothing: no margin reward of {run.path} has a weight that follows w (config key w)",
        )
    for override in given:
        if "." in override.key_or_group and override.key_or_group.split(".")[0] in inherited:
            OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
    if "model" in inherited and "model" not in chosen:
        set_trained_model(config, run)
    return config


def trained_config(run: RunFolder) -> DictConfig:
    """The configuration of a finished run.

    Raises:
        UserError: there is no run, or it is not done.
    """
    summary = run.read_summary()
    if summary is None:
        raise UserError(f"{run.path}: no run has been trained here, there is no summary.json (config key run)")
    require(
        summary["status"] == "done",
        f"{run.path}: the run is {summary['status']}, not done; give its training command once more (config key run)",
    )
    config = DictConfig(summary["config"])
    for name in following_by_interpolation(run):
        config.margin_reward[name].weight = None
    return config


def following_by_interpolation(run: RunFolder) -> list[str]:
    """The margin rewards whose weight follows w in a run from before null said so: as typed it was ${w}."""
    typed = run.path / ".hydra" / "config.yaml"
    rewards = OmegaConf.select(OmegaConf.load(typed), "margin_reward") if typed.exists() else None
    nodes = {} if rewards is None else {str(name): rewards._get_node(name) for name in rewards}
    return [
        n for n, node in nodes.items() if isinstance(node, DictConfig) and OmegaConf.is_interpolation(node, "weight")
    ]


def set_trained_model(config: DictConfig, run: RunFolder) -> None:
    """Points the model at what the run made: its adapter on its base, or the weights that it trained in full."""
    if run.adapter.exists():
        config.model.adapter = str(run.adapter)
        return
    require(run.model.exists(), f"{run.path}: has neither adapter/ nor model/ (config key run)")
    config.model.path, config.model.adapter = str(run.model), None
