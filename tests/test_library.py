"""summpo as a library, as a notebook uses it: typed settings, a run, its evaluation; no Hydra and no command line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import summpo
from summpo.commands.compose import compose_config
from summpo.config.tree import plain
from summpo.datasets.jsonl import Jsonl
from summpo.errors import UserError
from summpo.margin_rewards.length import Length
from summpo.margin_rewards.margins import WeightedMargin
from summpo.models import Lora, Model
from summpo.objectives.dpo import DPO
from summpo.objectives.modpo import MODPO
from summpo.objectives.sft import SFT
from summpo.runs.run_folder import RunFolder
from summpo.text.tokens import Limits
from summpo.training.plain_settings import settings_of_run, train_settings
from summpo.training.settings import Validation
from summpo.training.trainer_arguments import TrainerArguments
from summpo.writing.decoding import Decoding
from support.train_runs import adapter_bytes, run, small, write_splits


@pytest.fixture
def settings(tiny_model_path: Path, tmp_path: Path) -> summpo.TrainSettings:
    """MODPO with a length penalty, three steps on 12 pairs."""
    return summpo.TrainSettings(
        model=Model(str(tiny_model_path)),
        dataset=Jsonl(path=str(write_splits(tmp_path / "data", train=12, validation=5))),
        objective=MODPO(beta=0.1),
        margin_reward={"length": WeightedMargin(Length())},
        w=0.05,
        tokens=Limits(max_length=512),
        batch_size=4,
        lora=Lora(r=4, alpha=8),
        trainer=TrainerArguments(enable_progress_bar=False),
        validation=Validation(samples=0),
        cache_dir=str(tmp_path / "cache"),
    )


def test_a_notebook(settings: summpo.TrainSettings, tmp_path: Path) -> None:
    """A sweep over w in a loop, an evaluation of each, and the loss of a pair by hand."""
    accuracies = {}
    for w in (0.0, 0.5):
        folder = tmp_path / f"w={w}"
        done = summpo.train(replace(settings, w=w), folder)
        assert done["status"] == "done" and done["steps"] == 3 and done["w"] == w
        assert summpo.train(replace(settings, w=w), folder)["metrics"] == done["metrics"], "done already"
        of_run = summpo.EvaluateSettings.of_run(folder, split="validation", generation=Decoding(max_new_tokens=4))
        found = summpo.evaluate(of_run)
        assert found["documents"] == 5 and found["metrics"]["eval/length_tokens"] <= 5
        assert (folder / "samples.jsonl").exists()
        accuracies[w] = found["preference_accuracy_with_margin"]
    assert all(0 <= accuracy <= 1 for accuracy in accuracies.values())
    loss = summpo.losses.sigmoid_link(torch.tensor([0.0]))
    assert loss.item() == pytest.approx(0.6931, abs=1e-4)


def test_the_command_goes_on_where_the_library_was(settings: summpo.TrainSettings, tmp_path: Path) -> None:
    """The same settings on the command line are the same run: done already; and alone they come to the same bits."""
    summpo.train(settings, tmp_path / "library")
    data, model = tmp_path / "data", Path(settings.model.path)
    line = small(model, data, tmp_path / "cache", objective="modpo", w=0.05, optimizer__lr=2e-4)
    line += ["lora.target_modules=all-linear"]
    config = compose_config("train", line)
    assert train_settings(config) == settings
    assert plain(config)["w"] == 0.05
    ended = run([*line, f"output_dir={tmp_path / 'library'}"], tmp_path / "log")
    assert ended.code == 0 and "done already" in ended.out
    assert run([*line, f"output_dir={tmp_path / 'command'}"], tmp_path / "log").code == 0
    assert adapter_bytes(tmp_path / "library") == adapter_bytes(tmp_path / "command")


def test_what_a_run_has_left_is_its_settings(settings: summpo.TrainSettings, tmp_path: Path) -> None:
    summpo.train(settings, tmp_path / "run")
    assert settings_of_run(RunFolder(tmp_path / "run")) == settings


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"w": -1.0}, "w must be >= 0, got -1.0 (config key w)"),
        ({"objective": SFT()}, "w weighs margin rewards and this objective has no pairs to weigh, got w=0.05"),
        ({"margin_reward": {}}, "w=0.05 weighs nothing: choose a margin reward"),
        ({"margin_reward": {"length": WeightedMargin(Length(), weight=2.0)}}, "margin_reward.length.weight is 2"),
        ({"objective": SFT(), "w": 0.0, "sft_weight": 1.0}, "sft_weight=1 adds SFT"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"batch_size": 4.5}, "batch_size must be a whole number, got 4.5 (config key batch_size)"),
        ({"w": "0.1"}, "w must be a number, got '0.1' (config key w)"),
        ({"compile": "no"}, "compile must be true or false, got 'no'"),
        ({"objective": MODPO}, "(config key objective)"),
        ({"objective": "modpo"}, "(config key objective)"),
        ({"model": "embedded"}, "model must be Model, got 'embedded'"),
        ({"margin_reward": {"length": Length()}}, "(config key margin_reward)"),
        ({"margin_reward": [Length()]}, "margin_reward must be a mapping of names to WeightedMargin"),
    ],
)
def test_settings_are_guarded_where_they_are_made(settings: summpo.TrainSettings, changes: dict, says: str) -> None:
    with pytest.raises(UserError) as refusal:
        replace(settings, **changes)
    assert says in str(refusal.value)


def test_an_objective_alone_weighs_no_margin(settings: summpo.TrainSettings) -> None:
    assert replace(settings, objective=DPO(), margin_reward={}, w=0.0).weights == {}
    assert replace(settings, objective=SFT(), w=0.0).weights == {}, "it is measured in evaluations alone"


def test_importing_summpo_is_light_and_says_nothing() -> None:
    program = (
        "import sys, summpo; print(sorted({'torch', 'hydra', 'omegaconf', 'lightning'} & set(sys.modules)));"
        "summpo.losses; print('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:2] == ["[]", "True"]
    with pytest.raises(AttributeError, match="module summpo has no attribute nothing"):
        summpo.nothing  # noqa: B018


def test_a_misspelt_setting_of_an_evaluation_is_named(settings: summpo.TrainSettings, tmp_path: Path) -> None:
    summpo.train(replace(settings, trainer=TrainerArguments(max_steps=1, enable_progress_bar=False)), tmp_path / "run")
    with pytest.raises(UserError, match="an evaluation has no setting splt"):
        summpo.EvaluateSettings.of_run(tmp_path / "run", splt="test")


def test_a_time_limit_ends_a_run(settings: summpo.TrainSettings, tmp_path: Path) -> None:
    arguments = TrainerArguments(max_epochs=300, enable_progress_bar=False, others={"max_time": "00:00:00:01"})
    assert (
        summpo.train(replace(settings, trainer=arguments, validation=Validation(times=0)), tmp_path / "run")["steps"]
        < 900
    )
    for limit in ("nonsense", {"ours": 1}):
        with pytest.raises(UserError, match=r"max_time|the trainer cannot be made of these settings"):
            wrong = replace(settings, trainer=TrainerArguments(others={"max_time": limit}))
            summpo.train(wrong, tmp_path / "wrong")
        assert not (tmp_path / "wrong").exists()


def test_what_is_refused_leaves_nothing(settings: summpo.TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max_length must be at most the model's context"):
        summpo.train(replace(settings, tokens=Limits(max_length=4096)), tmp_path / "deep" / "run")
    assert not (tmp_path / "deep" / "run").exists()
