"""Arguments of Lightning's Trainer: any of its own, a strategy with arguments, and what a run sets itself."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.strategies import DDPStrategy

from summpo.commands.compose import compose_config
from summpo.errors import UserError
from summpo.runs.run_folder import RunFolder
from summpo.training.plain_settings import train_settings
from summpo.training.trainer import make_trainer
from summpo.training.trainer_arguments import OF_A_RUN, TrainerArguments

STRATEGY = "lightning.pytorch.strategies"


def trainer_of(*overrides: str, folder: Path) -> Trainer:
    """Lightning's trainer of a run with these overrides."""
    settings = train_settings(compose_config("train", list(overrides)))
    return make_trainer(settings, RunFolder(folder), [], [])


def test_any_argument_reaches_lightning(tmp_path: Path) -> None:
    trainer = trainer_of(
        "trainer.profiler=simple",
        "trainer.gradient_clip_algorithm=value",
        "trainer.max_time=00:00:01:00",
        "trainer.accumulate_grad_batches=3",
        folder=tmp_path,
    )
    assert isinstance(trainer.profiler, SimpleProfiler)  # type: ignore[attr-defined]
    assert trainer.gradient_clip_algorithm == "value" and trainer.accumulate_grad_batches == 3
    assert trainer.gradient_clip_val == 1.0, "what is not said is as before"


def test_a_strategy_is_made_of_its_arguments(tmp_path: Path) -> None:
    node = f"{{_target_: {STRATEGY}.DDPStrategy, find_unused_parameters: true, process_group_backend: gloo}}"
    strategy = trainer_of(f"trainer.strategy={node}", "trainer.devices=2", folder=tmp_path).strategy
    assert isinstance(strategy, DDPStrategy)
    assert strategy._ddp_kwargs == {"find_unused_parameters": True} and strategy.process_group_backend == "gloo"


def test_it_is_kept_with_the_run() -> None:
    node = {"_target_": f"{STRATEGY}.DDPStrategy", "static_graph": True}
    arguments = TrainerArguments(strategy=node, others={"profiler": "simple"})
    assert arguments.given["strategy"] == node and arguments.given["profiler"] == "simple"
    assert set(OF_A_RUN) | set(arguments.given) <= set(inspect.signature(Trainer).parameters)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"others": {"callbacks": []}}, "trainer.callbacks is not to be set: a run has its own"),
        ({"others": {"limit_val_batches": 2}}, "trainer.limit_val_batches is not to be set: validation.rows says how"),
        ({"others": {"max_step": 2}}, "unknown option trainer.max_step; did you mean trainer.max_steps?"),
        ({"others": {"foo": 2}}, "unknown option trainer.foo; Lightning's Trainer has no such argument"),
        ({"others": {"detect_anomaly": "maybe"}}, "detect_anomaly must be true or false, got 'maybe'"),
        ({"strategy": "nope"}, "strategy must be one of auto, ddp,"),
        ({"strategy": {"a": 1}}, "trainer.strategy has arguments and no _target_"),
        ({"strategy": {"_target_": "os.system"}}, "os.system is not a class of lightning.pytorch.strategies"),
        ({"strategy": {"_target_": f"{STRATEGY}.Nope"}}, f"cannot find {STRATEGY}.Nope"),
        ({"strategy": {"_target_": f"{STRATEGY}.ddp.log"}}, f"{STRATEGY}.ddp.log is not a Strategy of Lightning's"),
        ({"strategy": {"_target_": f"{STRATEGY}.DDPStrategy", "find_unused": True}}, "trainer.strategy.find_unused"),
        ({"max_epochs": None}, "a run needs an end: set trainer.max_epochs or trainer.max_steps"),
        ({"devices": []}, "devices must be a number, a list or auto, got []"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_one_sentence(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as refusal:
        TrainerArguments(**arguments)
    assert says in str(refusal.value)
