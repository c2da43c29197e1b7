"""From a composed configuration, or from what a run has left of its own, to the settings of a training run."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from summpo.config import tree
from summpo.config.nodes import from_fields, from_target, resolved, without
from summpo.datasets import LabelledDataset, PairDataset, SummaryDataset
from summpo.errors import FieldError, require
from summpo.margin_rewards import MarginReward
from summpo.margin_rewards.margins import SCALING, WeightedMargin
from summpo.models import Lora, Model
from summpo.objectives import OBJECTIVES
from summpo.row_kinds import kind_of
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.training.optimizers import AdamW
from summpo.training.settings import Reference, TrainSettings, Validation
from summpo.training.trainer_arguments import TRAINER, TrainerArguments

PLAIN = ("w", "batch_size", "batch_tokens", "order", "activation_checkpointing", "compile", "batching")
PLAIN += ("eval_batch_size", "checkpoint_every", "seed", "cache_dir")
"""Settings that are values, and not made of nodes."""


def train_settings(config: DictConfig) -> TrainSettings:
    """The settings of a run: every object made, each guarded; and the rules between them.

    Raises:
        UserError: one sentence with the key and the value.
    """
    objective = from_target(config.objective, "objective", OBJECTIVES)
    margins = margins_of(config.margin_reward)
    if not kind_of(objective).weighs_margins:
        margins = {name: margin for name, margin in margins.items() if not is_idle(name, margin, config.w)}
    model: Model = from_target(config.model, "model", (Model,))
    return TrainSettings(
        model=model,
        dataset=from_target(config.dataset, "dataset", (SummaryDataset, PairDataset, LabelledDataset)),
        objective=objective,
        margin_reward=margins,
        prompt=from_fields(Prompt, config.prompt, "prompt"),
        tokens=from_fields(Limits, config.tokens, "tokens"),
        lora=None if config.lora is None else from_fields(Lora, config.lora, "lora"),
        reference=reference_of(config.reference, model),
        optimizer=from_fields(AdamW, config.optimizer, "optimizer"),
        trainer=trainer_arguments(config.trainer),
        validation=from_fields(Validation, config.validation, "validation"),
        sft_weight=OmegaConf.select(config, "sft_weight", default=0.0),  # runs from before the option had no such term
        **{name: config[name] for name in PLAIN},
    )


def margins_of(node: DictConfig) -> dict[str, WeightedMargin]:
    """Every chosen margin reward by name, with its weight and scaling, which the reward itself never sees."""
    built = {}
    for name in node:
        key, child = f"margin_reward.{name}", node._get_node(name)
        settings: dict[str, Any] = {}
        if isinstance(child, DictConfig):
            for setting in SCALING:
                if setting in list(child):  # `in` a DictConfig overlooks what is missing
                    require(not OmegaConf.is_missing(child, setting), f"{key}.{setting} is required, got ???")
                    settings[setting] = OmegaConf.select(node, f"{name}.{setting}")
                    child = without(child, setting)
        try:
            built[str(name)] = WeightedMargin(from_target(child, key, (MarginReward,)), **settings)
        except FieldError as error:  # a reward knows its fields, and not the name under which it was chosen
            raise error.under(key) from None
    return built


def is_idle(name: str, margin: WeightedMargin, w: float) -> bool:
    """Whether a margin reward that was chosen by default weighs nothing, so that an objective without pairs may let it
    be.

    Raises:
        UserError: it has a weight of its own, or was chosen.
    """
    defaults = OmegaConf.load(tree.conf_dir() / "train.yaml").defaults
    chosen = [one for entry in defaults if isinstance(entry, DictConfig) for one in entry.get("margin_reward", ())]
    require(
        not margin.weight or margin.weight == w,
        f"margin_reward.{name}.weight weighs the two completions of a pair, and this objective learns from one",
    )
    return name in chosen


def reference_of(node: DictConfig, model: Model) -> Reference | None:
    """The frozen model where it is another than the one that the policy starts from."""
    path, adapter = str(node.path), node.adapter
    return None if (path, adapter) == (model.path, model.adapter) else Reference(path, adapter)


def trainer_arguments(node: DictConfig) -> TrainerArguments:
    """Arguments of Lightning's Trainer, from a node that has its `_target_`; one that a run has left has none.

    Raises:
        UserError: the node makes something else, or an argument cannot be used.
    """
    target = node.get("_target_", TRAINER)
    require(target == TRAINER, f"trainer._target_: {target} is not {TRAINER}, which trainer asks for")
    own = [one.name for one in fields(TrainerArguments) if one.name != "others"]
    values = resolved(without(node, "_target_"), "trainer")
    others = {name: value for name, value in values.items() if name not in own}
    known = {name: value for name, value in values.items() if name in own}
    return from_fields(TrainerArguments, OmegaConf.create({**known, "others": others}), "trainer")
