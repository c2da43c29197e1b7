"""A device that is asked for is there, or the command says so at the door: one sentence, exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from summpo.commands import main
from summpo.errors import UserError
from summpo.models import devices
from summpo.models.devices import check_device, check_kernels, check_name, device_named
from support.pretended_cuda import pretended

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def finished_run(folder: Path, **trained: object) -> Path:
    """A run's folder as far as the door looks at it."""
    from summpo.commands.compose import compose_config
    from summpo.config.tree import plain

    overrides = ["dataset=jsonl", "dataset.path=here", *(f"{key}={value}" for key, value in trained.items())]
    (folder / "adapter").mkdir(parents=True)
    config = plain(compose_config("train", overrides))
    (folder / "summary.json").write_text(json.dumps({"status": "done", "config": config}), "utf-8")
    return folder


@without_gpu
@pytest.mark.parametrize("objective", ["sft", "dpo", "reward_model"])
@pytest.mark.parametrize("command", ["generate", "evaluate", "pairs"])
def test_a_command_that_takes_a_gpu_and_has_none(
    command: str, objective: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(tmp_path / "run", objective=objective)
    before = sorted(tmp_path.rglob("*"))
    more = [f"output_dir={tmp_path / 'out'}"] if command != "evaluate" else []
    assert main([command, f"run={run}", "accelerator=gpu", *more]) == 2
    told = capsys.readouterr().err
    assert told == f"summpo {command}: there is no GPU that torch can use here, got gpu (config key accelerator)\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_auto_takes_what_is_there() -> None:
    assert device_named("auto") == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert device_named("cpu") == "cpu"


def test_a_gpu_has_an_index() -> None:
    with pretended(gpus=2):
        assert [device_named(name) for name in ("gpu", "auto", "cuda:0", "cuda:1")] == [
            "cuda:0",
            "cuda:0",
            "cuda:0",
            "cuda:1",
        ]
        with torch.cuda.device(1):
            assert device_named("gpu") == "cuda:1"
        with pytest.raises(
            UserError, match=r"there is no cuda:2 here, the last one is cuda:1 \(config key accelerator\)"
        ):
            device_named("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "gpu:1", "tpu", "", "cuda:-1"])
def test_what_names_no_device(name: str) -> None:
    with pytest.raises(UserError, match=r"accelerator must be one of cpu, gpu, auto, cuda:0, cuda:1 \.\.\., got "):
        check_name(name)


@without_gpu
def test_kernels_that_cannot_train_here(monkeypatch: pytest.MonkeyPatch) -> None:
    check_kernels("cpu", "sdpa", False)
    for accelerator in ("cpu", "auto"):
        with pytest.raises(UserError, match=r"no backward pass on the CPU: choose sdpa \(config key model.attention\)"):
            check_kernels(accelerator, "flex_attention", False)
    monkeypatch.setenv("CXX", "/nowhere/g++")
    check_kernels("cpu", "sdpa", False)
    with pytest.raises(UserError, match=r"compile=true needs a C\+\+ compiler, and there is no /nowhere/g\+\+"):
        check_kernels("cpu", "sdpa", True)


def test_on_a_gpu_layers_are_compiled_by_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pretended():
        monkeypatch.setattr(devices, "find_spec", lambda name: object())
        check_kernels("gpu", "sdpa", True)
        monkeypatch.setattr(devices, "find_spec", lambda name: None)
        check_kernels("gpu", "sdpa", False)
        with pytest.raises(UserError, match="compile=true needs Triton on a GPU, and it is not installed"):
            check_kernels("gpu", "sdpa", True)
    with pretended(kind="mps"):
        for accelerator in ("gpu", "mps", "auto"):
            check_kernels(accelerator, "sdpa", True)


@without_gpu
def test_a_training_device() -> None:
    for accelerator in ("cpu", "auto"):
        check_device(accelerator)
    with pytest.raises(UserError, match=r"there is no cuda that torch can use here, got cuda \(config key trainer.acc"):
        check_device("cuda")


def test_float32_products_are_as_before_afterwards() -> None:
    before = torch.get_float32_matmul_precision()
    with devices.float32_products("high"):
        assert torch.get_float32_matmul_precision() == "high"
    with devices.float32_products(None):
        assert torch.get_float32_matmul_precision() == before
    assert torch.get_float32_matmul_precision() == before
