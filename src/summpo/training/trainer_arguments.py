"""Arguments of Lightning's Trainer: those that a run has to know, and any other, which is handed on as it is.

Light: Lightning is imported only for arguments that are not written out here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from summpo.config.nodes import located, require_types
from summpo.config.signatures import check_arguments, parameters_of
from summpo.errors import UserError, require, require_choice, require_field, require_number

if TYPE_CHECKING:
    from lightning.pytorch.strategies import Strategy

TRAINER = "lightning.pytorch.Trainer"
STRATEGIES = ("auto", "ddp", "ddp_spawn", "fsdp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3")
OF_A_RUN = {
    "logger": "choose loggers by the group logger",
    "callbacks": "a run has its own",
    "plugins": "a run has its own",
    "default_root_dir": "the run's folder is output_dir",
    "val_check_interval": "validation.times says how often a run validates",
    "check_val_every_n_epoch": "validation.times says how often a run validates",
    "num_sanity_val_steps": "validation.times says how often a run validates",
    "limit_val_batches": "validation.rows says how many rows a run validates on",
    "overfit_batches": "dataset.limit says how many rows a run trains on",
    "limit_train_batches": "dataset.limit says how many rows a run trains on",
    "min_epochs": "a run ends by max_epochs or max_steps",
    "min_steps": "a run ends by max_epochs or max_steps",
    "fast_dev_run": "a run ends by max_epochs or max_steps",
    "use_distributed_sampler": "a run deals out its rows itself",
    "reload_dataloaders_every_n_epochs": "a run deals out its rows itself",
    "enable_checkpointing": "checkpoint_every says how often a run keeps a checkpoint",
    "barebones": "a run keeps its metrics and checkpoints",
    "inference_mode": "it has no part in training",
    "model_registry": "a run's weights stay in its folder",
}
"""Arguments of the Trainer that a run sets itself, and what to do instead."""


@dataclass(frozen=True)
class TrainerArguments:
    """Arguments of `lightning.pytorch.Trainer`.

    Raises:
        UserError: a value out of range, an argument that the Trainer does not have, or that a run sets itself.
    """

    max_epochs: int | None = 1
    """Passes over the training rows."""
    max_steps: int = -1
    """Optimizer steps at most; -1 for no limit."""
    accelerator: str = "cpu"
    """cpu, gpu or auto."""
    devices: Any = 1
    """Number of devices, a list of them, or auto."""
    num_nodes: int = 1
    """Machines."""
    strategy: Any = "auto"
    """auto, ddp, ddp_spawn, fsdp ..., or a strategy with its arguments:
    {_target_: lightning.pytorch.strategies.DDPStrategy, find_unused_parameters: true}."""
    precision: str = "32-true"
    """32-true, bf16-mixed or 16-mixed."""
    accumulate_grad_batches: int = 1
    """Batches in one optimizer step."""
    gradient_clip_val: float | None = 1.0
    """Largest norm of the gradient; null for none."""
    log_every_n_steps: int = 1
    """Optimizer steps from one row of metrics.csv to the next."""
    enable_progress_bar: bool = True
    """Show a progress bar."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Any other argument of the Trainer, by its name there: profiler, max_time, detect_anomaly ..."""

    def __post_init__(self) -> None:
        require_types(self, "trainer")
        for key in ("num_nodes", "accumulate_grad_batches", "log_every_n_steps"):
            require_number(f"trainer.{key}", getattr(self, key), low=1)
        require_choice("trainer.precision", self.precision, ("32-true", "bf16-mixed", "16-mixed"))
        require_choice("trainer.accelerator", self.accelerator, ("cpu", "gpu", "cuda", "mps", "auto"))
        require_field(
            "trainer.precision",
            self.precision != "16-mixed" or self.accelerator != "cpu",
            "precision must be 32-true or bf16-mixed on the CPU, got 16-mixed",
        )
        require_field(
            "trainer.max_steps",
            self.max_steps > 0 or self.max_steps == -1,
            f"max_steps must be > 0, or -1 for no limit, got {self.max_steps}",
        )
        if self.gradient_clip_val is not None:
            require_number("trainer.gradient_clip_val", self.gradient_clip_val, above=0)
        if self.max_epochs is None:
            require(self.max_steps > 0, "a run needs an end: set trainer.max_epochs or trainer.max_steps")
        else:
            require_number("trainer.max_epochs", self.max_epochs, low=1)
        self._check_devices()
        if not isinstance(self.strategy, Mapping):
            require_choice("trainer.strategy", self.strategy, STRATEGIES)
        else:
            strategy_class(self.strategy)
        if self.others:
            check_others(self.others)

    def _check_devices(self) -> None:
        if isinstance(self.devices, int):
            is_number = self.devices > 0 or self.devices == -1
            require_field("trainer.devices", is_number, f"devices must be > 0, or -1 for all, got {self.devices}")
        else:
            is_list = isinstance(self.devices, Sequence) and not isinstance(self.devices, str) and len(self.devices) > 0
            require_field(
                "trainer.devices",
                self.devices == "auto" or is_list,
                f"devices must be a number, a list or auto, got {self.devices!r}",
            )

    @property
    def given(self) -> dict[str, Any]:
        """The arguments by their names, as plain data."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "others"}
        own["devices"] = own["devices"] if isinstance(self.devices, int | str) else list(self.devices)
        return own | dict(self.others)

    def made_strategy(self) -> str | Strategy:
        """The strategy, made of its arguments where it has some.

        Raises:
            ValueError, TypeError: Lightning's, of arguments that do not go together.
        """
        if not isinstance(self.strategy, Mapping):
            return self.strategy
        return strategy_class(self.strategy)(**arguments_of(self.strategy))


def arguments_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node without its `_target_`."""
    return {name: value for name, value in node.items() if name != "_target_"}


def strategy_class(node: Mapping[str, Any]) -> type[Strategy]:
    """The class of a strategy that is given with its arguments, which are checked by its signature.

    Raises:
        UserError: it is none of Lightning's strategies, or does not take an argument.
    """
    key, target = "trainer.strategy", str(node.get("_target_"))
    require(target != "None", f"{key} has arguments and no _target_: name a class of lightning.pytorch.strategies")
    require(
        target.startswith("lightning.pytorch.strategies."),
        f"{key}._target_: {target} is not a class of lightning.pytorch.strategies",
    )
    from lightning.pytorch.strategies import Strategy

    made = located(target, key)
    is_strategy = isinstance(made, type) and issubclass(made, Strategy)
    require(is_strategy, f"{key}._target_: {target} is not a Strategy of Lightning's, which trainer.strategy asks for")
    check_arguments(made, arguments_of(node), key, wrapper_of(made))
    return made


def wrapper_of(strategy: type[Strategy]) -> Callable[..., Any] | None:
    """What a strategy wraps the model in, and hands the arguments to that are not its own; None where not known."""
    from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.nn.parallel import DistributedDataParallel

    if issubclass(strategy, FSDPStrategy):
        return FullyShardedDataParallel
    return DistributedDataParallel if issubclass(strategy, DDPStrategy) else None


def check_others(others: Mapping[str, Any]) -> None:
    """Checks arguments by the signature of the Trainer.

    Raises:
        UserError: a run sets it itself, or the Trainer has no such argument, or takes another type.
    """
    for name in others:
        require(name not in OF_A_RUN, f"trainer.{name} is not to be set: {OF_A_RUN.get(name)}")
    from lightning.pytorch import Trainer

    known = parameters_of(Trainer)
    odd = next((name for name in others if name not in known or name == "self"), None)
    if odd is not None:
        near = get_close_matches(odd, [name for name in known if name not in OF_A_RUN], n=1)
        hint = f"did you mean trainer.{near[0]}?" if near else "Lightning's Trainer has no such argument"
        raise UserError(f"unknown option trainer.{odd}; {hint}")
    check_arguments(Trainer, others, "trainer")
