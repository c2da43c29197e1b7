"""The settings of a training run from plain data: a composed configuration, or what a run has left of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from summpo.config.nodes import from_fields, from_target, resolved
from summpo.config.tree import chosen_by_default, followers_of_w
from summpo.datasets import LabelledDataset, PairDataset, SummaryDataset
from summpo.errors import FieldError, UserError, require
from summpo.margin_rewards import MarginReward
from summpo.margin_rewards.margins import SCALING, WeightedMargin
from summpo.models import Lora, Model
from summpo.objectives import OBJECTIVES
from summpo.row_kinds import kind_of
from summpo.runs.run_folder import RunFolder
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.training.optimizers import AdamW
from summpo.training.settings import Reference, TrainSettings, Validation
from summpo.training.trainer_arguments import TRAINER, TrainerArguments


def train_settings(config: Mapping[str, Any]) -> TrainSettings:
    """The settings of a run: every object made, each guarded; and the rules between them.

    Raises:
        UserError: one sentence with the key and the value.
    """
    objective = from_target(config["objective"], "objective", OBJECTIVES)
    kind = kind_of(objective)
    if not kind.weighs_margins:
        chosen = [str(name) for name in config["margin_reward"] if name not in chosen_by_default("margin_reward")]
        require(
            not chosen,
            f"margin_reward={','.join(chosen)} weighs the two completions of a pair, and this objective learns from "
            "one",
        )
    readers = kind.reader if isinstance(kind.reader, tuple) else (kind.reader,)
    model: Model = from_target(config["model"], "model", (Model,))
    made = {
        "model": model,
        "dataset": from_target(config["dataset"], "dataset", (SummaryDataset, PairDataset, LabelledDataset, *readers)),
        "objective": objective,
        "margin_reward": margins_of(config["margin_reward"]),
        "prompt": from_fields(Prompt, config["prompt"], "prompt"),
        "tokens": from_fields(Limits, config["tokens"], "tokens"),
        "lora": None if config["lora"] is None else from_fields(Lora, config["lora"], "lora"),
        "reference": reference_of(config["reference"], model),
        "optimizer": from_fields(AdamW, config["optimizer"], "optimizer"),
        "trainer": trainer_arguments(config["trainer"]),
        "validation": from_fields(Validation, config["validation"], "validation"),
    }
    # the others are values; a run from before an option had what is its default now
    names = [one.name for one in fields(TrainSettings) if one.name not in made and one.name in config]
    return TrainSettings(**made, **{name: config[name] for name in names})


def margins_of(node: Mapping[Any, Any]) -> dict[str, WeightedMargin]:
    """Every chosen margin reward by name, with its weight and scaling, which the reward itself never sees."""
    built = {}
    for name, child in resolved(node, "margin_reward").items():
        key, own, settings = f"margin_reward.{name}", child, {}
        if isinstance(child, Mapping):
            own = {setting: value for setting, value in child.items() if setting not in SCALING}
            settings = {setting: value for setting, value in child.items() if setting in SCALING}
        try:
            built[str(name)] = WeightedMargin(from_target(own, key, (MarginReward,)), **settings)
        except FieldError as error:  # a reward knows its fields, and not the name under which it was chosen
            raise error.under(key) from None
    return built


def reference_of(node: Mapping[str, Any], model: Model) -> Reference | None:
    """The frozen model where it is another than the one that the policy starts from."""
    path, adapter = str(node["path"]), node["adapter"]
    return None if (path, adapter) == (model.path, model.adapter) else Reference(path, adapter)


def trainer_arguments(node: Any) -> TrainerArguments:
    """Arguments of Lightning's Trainer, from a node that has its `_target_`; one that a run has left has none.

    Raises:
        UserError: the node makes something else, or an argument cannot be used.
    """
    values = resolved(node, "trainer")
    require(isinstance(values, Mapping), f"trainer must be an option of the group trainer, got {values}")
    target = values.get("_target_", TRAINER)
    require(target == TRAINER, f"trainer._target_: {target} is not {TRAINER}, which trainer asks for")
    own = [one.name for one in fields(TrainerArguments) if one.name != "others"]
    known = {name: value for name, value in values.items() if name in own}
    others = {name: value for name, value in values.items() if name not in (*own, "_target_")}
    return from_fields(TrainerArguments, {**known, "others": others}, "trainer")


def settings_of_run(run: RunFolder) -> TrainSettings:
    """The settings of a finished run.

    Raises:
        UserError: there is no run, or it is not done.
    """
    return train_settings(record_of(run))


def record_of(run: RunFolder) -> dict[str, Any]:
    """The settings of a finished run as plain data.

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
    config = summary["config"]
    for name in followers_of_w(run.path / ".hydra" / "config.yaml"):
        config["margin_reward"][name]["weight"] = None
    return config


def trained_model(run: RunFolder, model: Model) -> Model:
    """What a run made of a model: its adapter on its base, or the weights that it trained in full.

    Raises:
        UserError: the run's folder has neither.
    """
    if run.adapter.exists():
        return replace(model, adapter=str(run.adapter))
    require(run.model.exists(), f"{run.path}: has neither adapter/ nor model/ (config key run)")
    return replace(model, path=str(run.model), adapter=None)
