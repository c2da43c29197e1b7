"""Loggers at the door: their settings, W&B's key wherever W&B looks for one, and what they cannot be told later."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger
from omegaconf import OmegaConf

from summpo.commands.compose import compose_config, keys_of
from summpo.commands.loggers import check_loggers, make_loggers
from summpo.config.tree import conf_dir
from summpo.errors import UserError
from summpo.training.trainer import begin_logging

KEY = "a" * 40
OFFLINE = r"or log offline: logger\.wandb\.offline=true"


@pytest.fixture(autouse=True)
def no_key_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the ways in which W&B finds a key, or is told to send nothing; a network that answers nobody."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    wandb.teardown()  # what a run of another test has left of its settings in this process
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)


def check(*options: str) -> None:
    check_loggers(compose_config("train", options).logger)


@pytest.mark.parametrize("options", [(), ("logger=none",), ("logger=tensorboard",), ("logger=[]",)])
def test_other_loggers_need_no_key(options: Sequence[str]) -> None:
    check(*options)


def test_without_a_key(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=rf"^W&B has no key: .*wandb login.*WANDB_API_KEY.*{OFFLINE}"):
        check("logger=wandb")
    with pytest.raises(UserError, match=OFFLINE):
        check("logger=[wandb,tensorboard]")
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize(
    "option",
    ["logger.wandb.offline=true", "+logger.wandb.mode=offline", "+logger.wandb.mode=disabled",
     "+logger.wandb.settings={mode:offline}"],
)  # fmt: skip
def test_what_is_not_sent_needs_no_key(option: str) -> None:
    check("logger=wandb", option)


@pytest.mark.parametrize("mode", ["offline", "dryrun", "disabled"])
def test_nor_where_the_environment_says_so(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    check("logger=wandb")


def test_a_key_is_found_where_wandb_looks_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_API_KEY", KEY)
        check("logger=wandb")
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        check("logger=wandb")
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1:9\n  login user\n  password {KEY}\n")
    check("logger=wandb")
    (tmp_path / "netrc").write_text(f"machine elsewhere.org\n  login user\n  password {KEY}\n")
    with pytest.raises(UserError, match="has no key"):
        check("logger=wandb")


def test_what_wandb_cannot_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_API_KEY", "short")
        with pytest.raises(UserError, match=rf"^W&B cannot be used: WANDB_API_KEY invalid.*{OFFLINE}") as refusal:
            check("logger=wandb")
        assert "\n" not in str(refusal.value)
    monkeypatch.setenv("WANDB_MODE", "abc")
    with pytest.raises(UserError, match=r"^W&B cannot be used: .*mode"):
        check("logger=wandb")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["logger=wandb", "logger.wandb.offline=abc"], "offline must be true or false, got 'abc' (config key logger.wandb.offline)"),
        (["logger=wandb", "logger.wandb.offline=???"], "logger.wandb.offline is required"),
        (["logger=wandb", "logger.wandb.project=${nowhere}"], "logger.wandb.project: Interpolation key 'nowhere' not found"),
        (["logger=wandb", "logger.wandb.log_model=some"], "log_model must be all or true or false, got 'some'"),
        (["logger=wandb", "+logger.wandb.tags=[a]", "+logger.wandb.colour=red"], "unknown option logger.wandb.colour"),
        (["logger=wandb", "+logger.wandb.mode=loud"], "mode must be online or offline or disabled or shared or null, got 'loud'"),
        (["logger=tensorboard", "logger.tensorboard.name=[a]"], "name must be text or null, got ['a']"),
        (["logger=tensorboard", "+logger.tensorboard.colour=red"], "unknown option logger.tensorboard.colour"),
        (["logger=tensorboard", "logger.tensorboard._target_=os.system"], "os.system is not a Logger of Lightning's"),
        (["logger=tensorboard", "logger.tensorboard._target_=5"], "logger.tensorboard._target_: cannot find 5"),
        (["logger=tensorboard", "logger.tensorboard._target_=..x"], "logger.tensorboard._target_: cannot find ..x"),
        (["+logger.csv.save_dir=here"], "logger.csv is set and nothing was chosen for it"),
        (["+logger.csv=5"], "logger.csv is set and nothing was chosen for it"),
    ],
)  # fmt: skip
def test_settings_are_checked(options: Sequence[str], told: str) -> None:
    with pytest.raises(UserError) as refusal:
        check(*options)
    assert told in str(refusal.value)


@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_every_key_with_what_it_cannot_use(logger: str) -> None:
    keys = keys_of(OmegaConf.load(conf_dir() / "logger" / f"{logger}.yaml"), "logger.")
    for key in [key for key in keys if key.count(".") == 2 and key != "logger.tensorboard.version"]:
        for value in ("???", "{a:1}", "[[]]"):
            with pytest.raises(UserError) as refusal:
                check(f"logger={logger}", f"{key}={value}")
            assert key in str(refusal.value), refusal.value


def config_of(node: dict[str, Any]) -> Any:
    return OmegaConf.create({"logger": node})


def test_a_logger_that_its_settings_do_not_make(tmp_path: Path) -> None:
    wandb = {"_target_": "lightning.pytorch.loggers.WandbLogger", "offline": True, "log_model": True}
    with pytest.raises(UserError, match=r"^logger.wandb cannot be made of these settings: .*log_model"):
        make_loggers(config_of({"wandb": wandb}))
    csv = {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": str(tmp_path)}
    assert [type(logger) for logger in make_loggers(config_of({"csv": csv}))] == [CSVLogger]


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    class Far(CSVLogger):
        def log_hyperparams(self, params: Any = None) -> None:
            raise TimeoutError("no answer\nfor 90 s")

    with pytest.raises(UserError, match=r"^Far cannot begin: no answer for 90 s"):
        begin_logging([Far(tmp_path)], {})
