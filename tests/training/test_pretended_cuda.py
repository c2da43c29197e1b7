"""Every command on pretended GPUs: nothing meets what lies elsewhere, and the host waits for its device once a step."""

from __future__ import annotations

from pathlib import Path

import pytest

from summpo.commands import main
from support.pretended_cuda import Seen, pretended
from support.train_runs import metrics_of, small, write_splits

GPU = {
    "trainer": "gpu",
    "trainer.enable_progress_bar": "false",
    "trainer.max_steps": 3,
    "trainer.precision": "bf16-mixed",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_splits(tmp_path / "data", train=24, validation=4)


def options(model: Path, data: Path, out: Path, **changes: object) -> list[str]:
    """Of a run of three steps on a GPU."""
    own = {key.replace(".", "__"): value for key, value in GPU.items() if key != "trainer"} | changes
    return ["trainer=gpu", *small(model, data, out.parent / "cache", output_dir=out, **own)]


def trained(model: Path, data: Path, out: Path, gpus: int = 1, **changes: object) -> Seen:
    """What a run comes to on pretended GPUs."""
    with pretended(gpus) as seen:
        assert main(["train", *options(model, data, out, **changes)]) == 0
    return seen


def assert_placed(seen: Seen, device: str = "cuda:0") -> None:
    assert seen.faults.total() == 0, seen.told()
    assert set(seen.used) == {device}


KINDS = {
    "dpo": {},
    "sft": {"objective": "sft"},
    "modpo": {"objective": "modpo", "w": 0.1},
    "sampo": {"objective": "sampo"},
    "ld_dpo": {"objective": "ld_dpo"},
    "wpo": {"objective": "wpo"},
    "kto": {"objective": "kto"},
    "reward model": {"objective": "reward_model"},
    "padded": {"batching": "padded"},
    "float32": {"trainer__precision": "32-true"},
    "float16": {"trainer__precision": "16-mixed"},
    "all weights": {"lora": "null"},
    "recomputed": {"activation_checkpointing": "true"},
    "accumulated": {"trainer__accumulate_grad_batches": 2},
    "samples": {"validation__samples": 2},
    "by length": {"order": "by_length", "batch_tokens": 200},
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_meets_what_lies_elsewhere(kind: str, tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    assert_placed(trained(tiny_model_path, data, tmp_path / "run", **KINDS[kind]))


@pytest.mark.parametrize("kind", ["dpo", "sampo", "kto", "padded", "accumulated"])
def test_the_numbers_are_the_cpus(kind: str, tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    """One kernel for a row rounds otherwise than a call for each group: not to the bit."""
    trained(tiny_model_path, data, tmp_path / "gpu", **KINDS[kind] | {"trainer__precision": "32-true"})
    on_cpu = [
        *options(tiny_model_path, data, tmp_path / "cpu", **KINDS[kind]),
        "trainer=cpu",
        "trainer.precision=32-true",
    ]
    assert main(["train", *on_cpu]) == 0
    for ours, theirs in zip(metrics_of(tmp_path / "gpu"), metrics_of(tmp_path / "cpu"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def plain(steps: int) -> dict[str, object]:
    """So many steps, and nothing beside them."""
    return {"trainer__max_steps": steps, "trainer__max_epochs": 9, "validation__times": 0, "checkpoint_every": 1000}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_waits_once_for_its_device(kind: str, tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    """Not within forward and backward; and what five steps more cost the host beside that."""
    few, more = (trained(tiny_model_path, data, tmp_path / str(n), **KINDS[kind] | plain(n)) for n in (3, 8))
    assert more.waits_in("training_step") == more.waits_in("backward") == 0, more.told()
    assert more.waits.total() - few.waits.total() <= 2 * 5, more.told()
