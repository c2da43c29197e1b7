"""A command's configuration where `run=DIR` is given: what the run was trained with, the command line on top."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from summpo.commands.compose import compose_config, parsed
from summpo.config.nodes import from_target
from summpo.errors import require
from summpo.models import Model
from summpo.runs.run_folder import RunFolder
from summpo.training.plain_settings import record_of, trained_model


def compose_with_run(command: str, overrides: Sequence[str], inherited: Sequence[str]) -> DictConfig:
    """The command's configuration; with `run=DIR` the `inherited` keys are the run's where the command line is silent.

    Raises:
        UserError: an option is unknown, or the run's folder holds no finished run.
    """
    config = compose_config(command, overrides)
    if config.run is None:
        return config
    run = RunFolder(Path(config.run))
    trained = DictConfig(record_of(run))
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
        made = trained_model(run, from_target(config.model, "model", (Model,)))
        config.model.path, config.model.adapter = made.path, made.adapter
    return config
