"""What a training run is made from: typed, guarded where it is made, and light: no file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from summpo.columns.settings import ColumnSettings
from summpo.config.nodes import require_types
from summpo.config.record import node_of
from summpo.datasets import Dataset, PairDataset
from summpo.errors import require, require_choice, require_field, require_number
from summpo.files.cache import cache_folder
from summpo.margin_rewards.checks import check_kind
from summpo.margin_rewards.margins import WeightedMargin, require_weight
from summpo.models import Lora, Model
from summpo.objectives import Objective, PairwiseObjective, ScoreObjective
from summpo.objectives.sft_term import WithSFT
from summpo.row_kinds import RowKind, kind_of
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.training.optimizers import AdamW
from summpo.training.trainer_arguments import TrainerArguments


@dataclass(frozen=True)
class Validation:
    """When a run looks at its validation rows, at how many of them, and what it writes then."""

    times: int = 4
    """Validations in a run, evenly spaced, the last at its end; the best by val/loss is kept. 0 for none."""
    rows: int | None = None
    """Rows of the validation split that are validated on, at most; null for all."""
    samples: int = 2
    """Summaries generated at each validation, for the eye."""
    max_new_tokens: int = 128
    """Tokens of each of these summaries, at most."""

    def __post_init__(self) -> None:
        require_types(self, "validation")
        require_number("validation.times", self.times, low=0)
        require_number("validation.samples", self.samples, low=0)
        require_number("validation.max_new_tokens", self.max_new_tokens, low=1)
        if self.rows is not None:
            require_number("validation.rows", self.rows, low=1)


@dataclass(frozen=True)
class Reference:
    """The frozen model that preference runs compare with; its weights are held as the policy's are."""

    path: str
    """A model, as `Model.path` names it."""
    adapter: str | None = None
    """The adapter of the reference; null for the model without one."""


@dataclass(frozen=True)
class TrainSettings:
    """All that a training run is made from.

    Raises:
        UserError: a value out of range, or parts that do not go together; one sentence with the key and the value.
    """

    model: Model
    """The model that the policy starts from."""
    dataset: Dataset
    """The rows."""
    objective: Objective
    """What is minimised."""
    margin_reward: Mapping[str, WeightedMargin] = field(default_factory=dict)
    """Outside rewards weighed against preference, by name; beside an objective that weighs none, measured alone."""
    w: float = 0.0
    """Weight of the margin reward: how many nats of preference a unit of it is worth; >= 0."""
    sft_weight: float = 0.0
    """Weight of SFT on the chosen completion, in nats a token, beside any objective of pairs; >= 0."""
    prompt: Prompt = field(default_factory=Prompt)
    tokens: Limits = field(default_factory=Limits)
    batch_size: int = 8
    """Rows in a batch of one process."""
    batch_tokens: int | None = None
    """Tokens, padding too, that a process trains on at a time, at most, beside batch_size; null for no limit. A prompt
    counts for each row that shares it; a row that is longer is taken alone."""
    order: str = "shuffled"
    """Order of an epoch's rows: shuffled; by_prompt (those of one prompt together); by_length (like with like)."""
    activation_checkpointing: bool = False
    """Compute each layer once more in the backward pass, which saves most of a step's memory and costs a third more."""
    compile: bool = False
    """torch.compile the layers: a minute or two at the start; needs a C++ compiler, on a GPU Triton."""
    matmul_precision: str | None = None
    """How float32 matrix products are computed on a GPU: high (TF32), medium (bfloat16), highest; null for torch's own.
    It takes no part where trainer.precision is bf16-mixed."""
    batching: str = "shared_prefix"
    """shared_prefix: one row without padding, each prompt once, where the model allows; padded: a row a sequence."""
    eval_batch_size: int = 16
    """Rows at a time where no gradient is taken."""
    lora: Lora | None = field(
        default_factory=lambda: Lora(r=64, alpha=64.0, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    )
    """The low-rank adapter that trains; null trains all weights, in float32. Where model.adapter goes on training, all
    but dropout is that adapter's own."""
    reference: Reference | None = None
    """The frozen model that preference runs compare with; null for the one that the policy starts from."""
    optimizer: AdamW = field(default_factory=AdamW)
    trainer: TrainerArguments = field(default_factory=TrainerArguments)
    validation: Validation = field(default_factory=Validation)
    checkpoint_every: int = 50
    """Optimizer steps from one resumable checkpoint to the next, beside those at validations."""
    seed: int = 42
    """Seed of the order of rows, dropout, sampling and new weights."""
    cache_dir: str = field(default_factory=cache_folder)
    """Where converted models and frozen columns are kept and shared between runs."""

    def __post_init__(self) -> None:
        require_types(self)
        require_number("w", self.w, low=0)
        require_weight("w", self.w)
        require_number("sft_weight", self.sft_weight, low=0)
        require_number("seed", self.seed, low=0, high=2**32 - 1)
        require_choice("order", self.order, ("shuffled", "by_prompt", "by_length"))
        require_choice("batching", self.batching, ("shared_prefix", "padded"))
        require_choice("matmul_precision", self.matmul_precision, (None, "highest", "high", "medium"))
        for key in ("batch_size", "eval_batch_size", "checkpoint_every"):
            require_number(key, getattr(self, key), low=1)
        if self.batch_tokens is not None:
            require_number("batch_tokens", self.batch_tokens, low=1)
        require_field(
            "sft_weight",
            self.sft_weight == 0 or isinstance(self.objective, PairwiseObjective),
            f"sft_weight={self.sft_weight:g} adds SFT on the chosen completion to a loss of pairs, and "
            f"{type(self.objective).__module__}.{type(self.objective).__qualname__} has no such loss",
        )
        self._check_rows()
        self._check_margins()

    def _check_rows(self) -> None:
        """Refuses a data set without rows of the objective's kind."""
        name = type(self.dataset).__name__
        require(
            isinstance(self.dataset, self.kind.reader),
            f"dataset={name} has no {self.kind.name}, which the objective learns from{self.kind.otherwise}",
        )
        if isinstance(self.dataset, PairDataset):
            check_kind(self.margins, self.dataset)

    def _check_margins(self) -> None:
        """Refuses margin rewards that an objective cannot weigh, and a w that changes nothing."""
        if not self.kind.weighs_margins:
            require(self.w == 0, f"w weighs margin rewards and this objective has no pairs to weigh, got w={self.w}")
            weighed = [name for name, margin in self.margin_reward.items() if margin.weight]
            require(
                not weighed,
                f"margin_reward.{''.join(weighed[:1])}.weight weighs the two completions of a pair, and this objective "
                "learns from one",
            )
        elif self.w > 0:
            sentence = f"w={self.w} weighs nothing: choose a margin reward, e.g. margin_reward=length"
            require(len(self.margin_reward) > 0, sentence)
            own = [f"margin_reward.{n}.weight is {x:g}" for n, x in self.weights.items() if n not in self.follow_w]
            idle = [f"margin_reward.{n}.scale is 0" for n in self.follow_w if self.margin_reward[n].scale == 0]
            require(
                len(idle) < len(self.follow_w),
                f"w={self.w:g} weighs nothing: {' and '.join(own + idle)} (config key w)",
            )

    @property
    def minimised(self) -> Objective:
        """The objective, with SFT beside it where `sft_weight` is above 0."""
        if self.sft_weight > 0 and isinstance(self.objective, PairwiseObjective):
            return WithSFT(self.objective, self.sft_weight)
        return self.objective

    @property
    def kind(self) -> RowKind:
        """The kind of rows that its objective learns from."""
        return kind_of(self.minimised)

    @property
    def margins(self) -> Mapping[str, WeightedMargin]:
        """The margin rewards that have a part in the loss."""
        return self.margin_reward if self.kind.weighs_margins else {}

    @property
    def weights(self) -> dict[str, float]:
        """Nats that a unit of each of them is worth."""
        return {name: margin.weight_at(self.w) for name, margin in self.margins.items()}

    @property
    def follow_w(self) -> list[str]:
        """The margin rewards whose weight is w: null, or the same number."""
        return [name for name, margin in self.margins.items() if margin.weight in (None, self.w)]

    @property
    def start(self) -> Model:
        """The model that the policy starts from as it is held: in float32 where all its weights train.

        Most steps are smaller than the distance from one bfloat16 to the next: of a small model's weights one in twenty
        moved in 20 steps. The reference is held as the policy is, or the two would differ before the first step.
        """
        all_train = not self.trains_adapter and self.model.quantization is None
        return replace(self.model, dtype="float32") if all_train else self.model

    @property
    def frozen(self) -> Model:
        """The frozen model that preference runs compare with: the policy's own start, or what `reference` names."""
        return self.start if self.reference is None else replace(self.start, **asdict(self.reference))

    @property
    def needs_reference(self) -> bool:
        """Whether its loss compares the policy with a frozen reference."""
        return bool(getattr(self.minimised, "needs_reference", False))

    @property
    def trains_adapter(self) -> bool:
        """Whether an adapter trains, fresh or not, on a frozen base; else all weights do."""
        return self.lora is not None or self.model.adapter is not None

    @property
    def trains_scorer(self) -> bool:
        """Whether what trains is a reward model, which scores summaries and writes none."""
        return isinstance(self.objective, ScoreObjective)

    def settled_with(self, settings: Mapping[str, Any]) -> TrainSettings:
        """The same with what the training rows say of the fields of the objective that are left to them."""
        return replace(self, objective=replace(self.objective, **settings)) if settings else self  # type: ignore[type-var]

    @property
    def columns(self) -> ColumnSettings:
        """What its frozen columns are made from."""
        return ColumnSettings(
            model=self.start,
            reference=self.frozen if self.needs_reference else None,
            margins=self.margins,
            prompt=self.prompt,
            limits=self.tokens,
            kind=self.kind,
            batching=self.batching,
            compiles=self.compile,
            matmul_precision=self.matmul_precision,
            precision=self.trainer.precision,
            batch_size=self.eval_batch_size,
            cache=Path(self.cache_dir),
            shows_progress=self.trainer.enable_progress_bar,
            policy_module=f"{__package__}.policy",
        )

    @property
    def record(self) -> dict[str, Any]:
        """The settings as plain data, under their config keys: what a run's summary.json holds of them."""
        plain = {one.name: node_of(getattr(self, one.name)) for one in fields(self)}
        for group in ("model", "dataset", "objective"):
            plain[group] = node_of(getattr(self, group), with_target=True)
        plain["margin_reward"] = {name: margin.record for name, margin in self.margin_reward.items()}
        plain["trainer"] = self.trainer.given
        plain["reference"] = {"path": self.frozen.path, "adapter": self.frozen.adapter}
        return plain
