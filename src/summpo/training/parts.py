"""The one place that makes objects of configuration nodes, and refuses a node that is not what its group asks for.

Everything built here is light: a frozen dataclass with its hyperparameters guarded. No torch, no file is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from summpo.columns.settings import ColumnSettings
from summpo.config import tree
from summpo.config.nodes import from_fields, from_target, without
from summpo.datasets import SPLITS, LabelledDataset, PairDataset, SummaryDataset
from summpo.errors import FieldError, require, require_choice, require_number
from summpo.margin_rewards import MarginReward
from summpo.margin_rewards.checks import check_kind
from summpo.margin_rewards.margins import NORMALIZE, SCALING, WeightedMargin
from summpo.models import Lora, Model
from summpo.objectives import OBJECTIVES, CompletionObjective, Objective, PairwiseObjective, ScoreObjective
from summpo.objectives.sft_term import WithSFT
from summpo.row_kinds import RowKind, kind_of
from summpo.text.prompts import Prompt, require_template
from summpo.text.tokens import Limits
from summpo.training.optimizers import AdamW
from summpo.writing.decoding import Decoding, require_backend
from summpo.writing.long_documents import LongDocuments

LARGEST_WEIGHT = 1e6
"""Beyond any use: nats a unit. float32 holds products with it."""
STRATEGIES = ("auto", "ddp", "ddp_spawn", "fsdp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3")


@dataclass(frozen=True)
class TrainParts:
    """What a training run is made of, before anything is loaded."""

    model: Model
    reference: Model
    lora: Lora | None
    dataset: SummaryDataset | PairDataset | LabelledDataset
    objective: Objective
    margins: dict[str, WeightedMargin]
    prompt: Prompt
    limits: Limits
    optimizer: AdamW
    batching: str
    """shared_prefix, or padded."""
    compiles: bool
    """Whether the layers are compiled."""
    recomputes: bool
    """Whether a layer's activations are computed once more in the backward pass."""

    @property
    def kind(self) -> RowKind:
        """The kind of rows that its objective learns from."""
        return kind_of(self.objective)

    @property
    def needs_reference(self) -> bool:
        """Whether its loss compares the policy with a frozen reference."""
        return not isinstance(self.objective, CompletionObjective) and self.objective.needs_reference

    def settled_with(self, settings: Mapping[str, Any]) -> TrainParts:
        """The same with what the training rows say of the fields of the objective that are left to them."""
        return replace(self, objective=replace(self.objective, **settings)) if settings else self  # type: ignore[type-var]

    @property
    def trains_adapter(self) -> bool:
        """Whether an adapter trains, fresh or not, on a frozen base; else all weights do."""
        return self.lora is not None or self.model.adapter is not None

    def columns(self, config: DictConfig) -> ColumnSettings:
        """What its frozen columns are made from."""
        return ColumnSettings(
            model=self.model,
            reference=self.reference if self.needs_reference else None,
            margins=self.margins,
            prompt=self.prompt,
            limits=self.limits,
            kind=self.kind,
            batching=self.batching,
            compiles=self.compiles,
            precision=str(config.trainer.precision),
            accelerator=str(config.trainer.accelerator),
            batch_size=config.eval_batch_size,
            cache=Path(config.cache_dir),
            shows_progress=config.trainer.enable_progress_bar,
        )

    @property
    def trains_scorer(self) -> bool:
        """Whether what trains is a reward model, which scores summaries and writes none."""
        return isinstance(self.objective, ScoreObjective)


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
            reward = from_target(child, key, (MarginReward,))
        except FieldError as error:  # a reward knows its fields, and not the name under which it was chosen
            raise error.under(key) from None
        require("weight" in settings, f"{key}.weight is required: what a unit of the reward is worth")
        require_number(f"{key}.weight", settings["weight"])
        if abs(settings["weight"]) > LARGEST_WEIGHT:
            require_number(f"{key}.weight", settings["weight"], low=-LARGEST_WEIGHT, high=LARGEST_WEIGHT)
        require_choice(f"{key}.normalize", settings.get("normalize", "none"), NORMALIZE)
        require_number(f"{key}.scale", settings.get("scale", 1.0))
        if settings.get("clip") is not None:
            require_number(f"{key}.clip", settings["clip"], above=0)
        built[str(name)] = WeightedMargin(reward, **settings)
    return built


@dataclass(frozen=True)
class WritingParts:
    """What it takes to write summaries of a data set's documents, before anything is loaded."""

    model: Model
    dataset: SummaryDataset
    prompt: Prompt
    limits: Limits
    decoding: Decoding
    long: LongDocuments


def writing_parts(config: DictConfig) -> WritingParts:
    """Every object of a command that writes summaries, each guarded.

    Raises:
        UserError: one sentence with the key and the value.
    """
    require_number("seed", config.seed, low=0)
    require_choice("accelerator", config.accelerator, ("cpu", "gpu", "auto"))
    if "split" in config:
        require_choice("split", config.split, SPLITS)
    prompt = from_fields(Prompt, config.prompt, "prompt")
    decoding = from_fields(Decoding, config.generation, "generation")
    require_backend(decoding)
    return WritingParts(
        model=from_target(config.model, "model", (Model,)),
        dataset=from_target(config.dataset, "dataset", (SummaryDataset,)),
        prompt=prompt,
        limits=from_fields(Limits, config.tokens, "tokens"),
        decoding=decoding,
        long=long_documents(config, prompt) if "long_documents" in config else LongDocuments(),
    )


def long_documents(config: DictConfig, prompt: Prompt) -> LongDocuments:
    """What is done with documents that do not fit.

    Raises:
        UserError: an unknown way, or a template without {document}.
    """
    settings = config.map_reduce
    for key in ("part_template", "join_template"):
        require_template(settings[key], f"map_reduce.{key}")
    return LongDocuments(
        how=config.long_documents,
        part=replace(prompt, template=settings.part_template),
        join=replace(prompt, template=settings.join_template),
        part_max_new_tokens=settings.part_max_new_tokens,
    )


def train_parts(config: DictConfig) -> TrainParts:
    """Every object of a run that is to train, each guarded; and the rules between them.

    Raises:
        UserError: one sentence with the key and the value.
    """
    parts = trained_parts(config)
    if not parts.kind.weighs_margins:
        idle = [str(name) for name in config.margin_reward if name not in default_margins()]
        require(
            not idle,
            f"margin_reward={','.join(idle)} weighs the two completions of a pair, and this objective learns from one",
        )
    elif config.w > 0:
        check_weighs(config.w, config.margin_reward, parts.margins)
    return parts


def default_margins() -> list[str]:
    """The margin rewards that a run has where none is named; an objective without pairs lets them be."""
    defaults = OmegaConf.load(tree.conf_dir() / "train.yaml").defaults
    return [name for entry in defaults if isinstance(entry, DictConfig) for name in entry.get("margin_reward", ())]


def follows_w(margin_reward: DictConfig, name: str) -> bool:
    """Whether a margin reward's weight is no number of its own: as its yaml has it, it is w."""
    return OmegaConf.is_interpolation(margin_reward[name], "weight")


def check_weighs(w: float, margin_reward: DictConfig, margins: Mapping[str, WeightedMargin]) -> None:
    """Refuses a w that changes nothing.

    Raises:
        UserError: no margin reward's weight follows w, or only of those whose scale is 0.
    """
    following = [name for name in margins if follows_w(margin_reward, name)]
    own = [f"margin_reward.{name}.weight is {margins[name].weight:g}" for name in margins if name not in following]
    idle = [f"margin_reward.{name}.scale is 0" for name in following if margins[name].scale == 0]
    require(len(idle) < len(following), f"w={w:g} weighs nothing: {' and '.join(own + idle)} (config key w)")


def trained_parts(config: DictConfig) -> TrainParts:
    """The same, also of a run that has trained: what it left says numbers, and no more which of them followed w."""
    check_numbers(config)
    objective = objective_of(config)
    margins = margins_of(config.margin_reward)
    kind = kind_of(objective)
    if not kind.weighs_margins:
        require(config.w == 0, f"w weighs margin rewards and this objective has no pairs to weigh, got w={config.w}")
        weighed = [name for name, margin in margins.items() if margin.weight != 0]
        require(
            not weighed,
            f"margin_reward.{weighed[0] if weighed else ''}.weight weighs the two completions of a pair, and this "
            "objective learns from one",
        )
        margins = {}
    elif config.w > 0:
        require(len(margins) > 0, f"w={config.w} weighs nothing: choose a margin reward, e.g. margin_reward=length")
    dataset = from_target(config.dataset, "dataset", (SummaryDataset, PairDataset, LabelledDataset))
    require(
        isinstance(dataset, kind.reader),
        f"dataset={type(dataset).__name__} has no {kind.name}, which the objective learns from{kind.otherwise}",
    )
    if isinstance(dataset, PairDataset):
        check_kind(margins, dataset)
    lora = None if config.lora is None else from_fields(Lora, config.lora, "lora")
    model = held_to_train(from_target(config.model, "model", (Model,)), lora)
    return TrainParts(
        model=model,
        reference=reference_of(model, config),
        lora=lora,
        dataset=dataset,
        objective=objective,
        margins=margins,
        prompt=from_fields(Prompt, config.prompt, "prompt"),
        limits=from_fields(Limits, config.tokens, "tokens"),
        optimizer=from_fields(AdamW, config.optimizer, "optimizer"),
        batching=str(config.batching),
        compiles=bool(config.compile),
        recomputes=bool(config.activation_checkpointing),
    )


def objective_of(config: DictConfig) -> Objective:
    """What is minimised: the objective, and SFT beside it where `sft_weight` is above 0.

    Raises:
        UserError: a setting out of range, or SFT beside an objective that has none to take: SFT itself, a reward model.
    """
    objective = from_target(config.objective, "objective", OBJECTIVES)
    weight = OmegaConf.select(config, "sft_weight", default=0.0)  # runs from before the option had no such term
    require_number("sft_weight", weight, low=0)
    if weight == 0:
        return objective
    if not isinstance(objective, PairwiseObjective):
        raise FieldError(
            f"sft_weight={weight:g} adds SFT on the chosen completion to a loss of pairs, and "
            f"{config.objective._target_} has no such loss",
            "sft_weight",
        )
    return WithSFT(objective, weight)


def held_to_train(model: Model, lora: Lora | None) -> Model:
    """The model, in float32 where all its weights train, whatever its dtype says.

    Most steps are smaller than the distance from one bfloat16 to the next: of a small model's weights one in twenty
    moved in 20 steps. The reference is held as the policy is, or the two would differ before the first step.
    """
    all_train = lora is None and model.adapter is None and model.quantization is None
    return replace(model, dtype="float32") if all_train else model


def reference_of(model: Model, config: DictConfig) -> Model:
    """The frozen model that preference runs compare with: the policy's own start, or what `reference` names."""
    return replace(model, path=str(config.reference.path), adapter=config.reference.adapter)


def check_numbers(config: DictConfig) -> None:
    """Guards the numbers of the root and of Lightning's trainer, which have no dataclass of their own to guard them."""
    require_number("w", config.w, low=0)
    require_choice("order", config.order, ("shuffled", "by_prompt", "by_length"))
    if config.batch_tokens is not None:
        require_number("batch_tokens", config.batch_tokens, low=1)
    require_choice("batching", config.batching, ("shared_prefix", "padded"))
    require_number("seed", config.seed, low=0, high=2**32 - 1)
    for key in ("batch_size", "eval_batch_size", "checkpoint_every", "validation.max_new_tokens", "trainer.num_nodes"):
        require_number(key, OmegaConf.select(config, key), low=1)
    for key in ("trainer.accumulate_grad_batches", "trainer.log_every_n_steps"):
        require_number(key, OmegaConf.select(config, key), low=1)
    if config.validation.rows is not None:
        require_number("validation.rows", config.validation.rows, low=1)
    for key in ("validation.times", "validation.samples"):
        require_number(key, OmegaConf.select(config, key), low=0)
    trainer = config.trainer
    require_choice("trainer.precision", trainer.precision, ("32-true", "bf16-mixed", "16-mixed"))
    require_choice("trainer.accelerator", trainer.accelerator, ("cpu", "gpu", "cuda", "mps", "auto"))
    require(
        trainer.precision != "16-mixed" or trainer.accelerator != "cpu",
        "precision must be 32-true or bf16-mixed on the CPU, got 16-mixed (config key trainer.precision)",
    )
    require_choice("trainer.strategy", trainer.strategy, STRATEGIES)
    require(
        trainer.max_steps > 0 or trainer.max_steps == -1,
        f"max_steps must be > 0, or -1 for no limit, got {trainer.max_steps} (config key trainer.max_steps)",
    )
    if trainer.gradient_clip_val is not None:
        require_number("trainer.gradient_clip_val", trainer.gradient_clip_val, above=0)
    if trainer.max_epochs is None:
        require(trainer.max_steps > 0, "a run needs an end: set trainer.max_epochs or trainer.max_steps")
    else:
        require_number("trainer.max_epochs", trainer.max_epochs, low=1)
    if isinstance(trainer.devices, int):
        require(
            trainer.devices > 0 or trainer.devices == -1,
            f"devices must be > 0, or -1 for all, got {trainer.devices} (config key trainer.devices)",
        )
    else:
        is_known = trainer.devices == "auto" or (isinstance(trainer.devices, ListConfig) and len(trainer.devices) > 0)
        require(
            is_known, f"devices must be a number, a list or auto, got {trainer.devices!r} (config key trainer.devices)"
        )
