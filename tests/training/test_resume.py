"""A run that is killed and started again by the same command ends as if nothing had happened, bit by bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from support.train_runs import (
    REPOSITORY,
    SECONDS,
    adapter_bytes,
    files_of,
    metrics_of,
    run,
    small,
    summary_of,
    write_rows,
    write_splits,
)

LEFT_BY_A_RUN = {"adapter", "checkpoints", "metrics.csv", "summary.json", "validation_samples.jsonl"}


@dataclass(frozen=True)
class Uninterrupted:
    """A run from start to end: 11 batches of 2 rows an epoch, 2 of them a step, 11 steps, validation after 4, 8, 11."""

    settings: list[str]
    data: Path
    folder: Path


@pytest.fixture(scope="module")
def uninterrupted(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    root = tmp_path_factory.mktemp("resume")
    data = write_splits(root / "data", train=22, validation=5)
    settings = small(
        model_with_dropout(tiny_model_path, root / "model"),
        data,
        root / "cache",
        objective="modpo",
        w=0.05,
        batch_size=2,
        lora__dropout=0.1,
        trainer__max_epochs=2,
        trainer__accumulate_grad_batches=2,
        validation__times=3,
        validation__samples=1,
        validation__max_new_tokens=4,
        checkpoint_every=6,
    )
    ended = run([*settings, f"output_dir={root / 'run'}"], root / "log")
    assert ended.code == 0, ended.err
    return Uninterrupted(settings, data, root / "run")


def model_with_dropout(model: Path, folder: Path) -> Path:
    """The tiny model with dropout in its attention. It must play no part: the first process of a run computes the
    reference's column, a resumed one reads it, and the policy's mode must not depend on that."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"attention_dropout": 0.3}))
    return folder


def kill() -> None:
    """The end of this process, at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_before(owner: str, name: str, when: Callable[..., bool]) -> None:
    """Kills the process where `name` of the module or class `owner` is called with arguments that `when` is true of."""
    import pydoc

    place: Any = pydoc.locate(owner)
    original = getattr(place, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        if when(*args, **kwargs):
            kill()
        return original(*args, **kwargs)

    setattr(place, name, called)


def is_batch(index: int, module: Any, batch: Any, batch_idx: int) -> bool:
    return batch_idx == index


def is_validation_after(step: int, module: Any, batch: Any, *rest: Any) -> bool:
    return module.global_step == step


def is_last_checkpoint_of(step: int, old: Any, new: Any) -> bool:
    return Path(new).name == "last.ckpt" and torch.load(old, weights_only=True)["global_step"] == step


def is_checkpoint_half_written(name: str, descriptor: int) -> bool:
    """Cuts the file that is about to be synced to the half."""
    file = Path(f"/proc/self/fd/{descriptor}").readlink()
    if file.name != name:
        return False
    os.ftruncate(descriptor, file.stat().st_size // 2)
    return True


def always(*args: Any) -> bool:
    return True


TRAINING, VALIDATING = (
    ("summpo.training.module.TrainingModule", name) for name in ("training_step", "validation_step")
)
PLACES = {
    "before the first checkpoint": (*TRAINING, partial(is_batch, 3)),
    "during validation": (*VALIDATING, partial(is_validation_after, 4)),
    "while best.ckpt is being written": ("os", "fsync", partial(is_checkpoint_half_written, ".best.ckpt.partial")),
    "mid-epoch, between the batches of a step": (*TRAINING, partial(is_batch, 9)),
    "while last.ckpt is being written": ("os", "fsync", partial(is_checkpoint_half_written, ".next.ckpt.partial")),
    "between best.ckpt and last.ckpt": ("os", "replace", partial(is_last_checkpoint_of, 8)),
    "in the second epoch, two steps after a checkpoint": (*TRAINING, partial(is_batch, 21)),
    "after the last step, while the adapter is saved": ("summpo.training.policy", "save_adapter", always),
}


def test_a_run_killed_again_and_again_ends_bit_by_bit_as_one_never_interrupted(
    uninterrupted: Uninterrupted, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [*uninterrupted.settings, f"output_dir={folder}"]
    for place, (owner, name, when) in PLACES.items():
        ended = run(command, tmp_path / "log", partial(kill_before, owner, name, when))
        assert ended.code == -signal.SIGKILL, f"not killed {place}: {ended.err}"
        assert summary_of(folder)["status"] == "running"
    ended = run(command, tmp_path / "log")
    assert ended.code == 0, ended.err
    assert "goes on from" in ended.out
    assert_same_run(folder, uninterrupted.folder)


@pytest.mark.parametrize("order", ["by_length", "by_prompt", "shuffled"])
def test_batches_by_tokens_go_on_where_they_stopped(uninterrupted: Uninterrupted, tmp_path: Path, order: str) -> None:
    """Killed in the second epoch, whose batches are cut anew: the same rows in the same steps, bit for bit."""
    command = [*uninterrupted.settings, f"order={order}", "batch_tokens=160", "batch_size=8", "checkpoint_every=2"]
    whole = run([*command, f"output_dir={tmp_path / 'whole'}"], tmp_path / "log")
    assert whole.code == 0, whole.err
    assert summary_of(tmp_path / "whole")["rows_seen"] == 44
    batches = 2 * len(metrics_of(tmp_path / "whole"))
    cut = [*command, f"output_dir={tmp_path / 'cut'}"]
    ended = run(cut, tmp_path / "log", partial(kill_before, *TRAINING, partial(is_batch, batches * 3 // 4)))
    assert ended.code == -signal.SIGKILL, ended.err
    ended = run(cut, tmp_path / "log")
    assert ended.code == 0 and "goes on from" in ended.out, ended.err
    assert_same_run(tmp_path / "cut", tmp_path / "whole")


def test_the_real_command_killed_by_another_process_and_given_again(
    uninterrupted: Uninterrupted, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, str(REPOSITORY / "train.py"), *uninterrupted.settings, f"output_dir={folder}"]
    # the run that it is compared with had one thread too, and more of them add up in another order
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        until = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < until:
            if (folder / "checkpoints" / "last.ckpt").exists():
                process.kill()
            time.sleep(0.01)
    assert process.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()
    again = run(command[2:], tmp_path / "again")
    assert again.code == 0, again.err
    assert_same_run(folder, uninterrupted.folder)


def assert_same_run(folder: Path, expected: Path) -> None:
    """The same files with the same content, but for what tells where and how fast."""
    assert adapter_bytes(folder) == adapter_bytes(expected)
    for name in ("metrics.csv", "validation_samples.jsonl"):
        assert (folder / name).read_text() == (expected / name).read_text()
    assert {file.name for file in folder.iterdir()} == {".hydra", *LEFT_BY_A_RUN}
    assert {file.name for file in (folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    summaries = [summary_of(folder), summary_of(expected)]
    for summary in summaries:
        del summary["wall_time_s"], summary["config"]["output_dir"]
    assert summaries[0] == summaries[1]


def test_a_done_run_is_left_alone(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    before = files_of(uninterrupted.folder)
    command = [*uninterrupted.settings, f"output_dir={uninterrupted.folder}"]
    ended = run(command, tmp_path / "log")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.strip().startswith(f"{uninterrupted.folder}: done already")
    assert files_of(uninterrupted.folder) == before


def test_other_settings_in_the_same_folder_are_refused(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    before = files_of(uninterrupted.folder)
    command = [*uninterrupted.settings, f"output_dir={uninterrupted.folder}", "optimizer.lr=0.02"]
    ended = run(command, tmp_path / "log")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "optimizer.lr=0.01, not 0.02" in ended.err
    assert files_of(uninterrupted.folder) == before


def test_a_run_does_not_go_on_with_other_data(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [*uninterrupted.settings, f"dataset.path={tmp_path / 'data'}", f"output_dir={folder}"]
    shutil.copytree(uninterrupted.data, tmp_path / "data")
    owner, name, when = PLACES["mid-epoch, between the batches of a step"]
    assert run(command, tmp_path / "log", partial(kill_before, owner, name, when)).code == -signal.SIGKILL
    before = files_of(folder / "checkpoints") | {"metrics.csv": (folder / "metrics.csv").read_bytes()}

    write_rows(tmp_path / "data" / "train.jsonl", 22, seed=1)
    ended = run(command, tmp_path / "log")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "train_tokens" in ended.err
    assert files_of(folder / "checkpoints") | {"metrics.csv": (folder / "metrics.csv").read_bytes()} == before


def test_the_uninterrupted_run_did_what_the_others_are_compared_with(uninterrupted: Uninterrupted) -> None:
    rows = metrics_of(uninterrupted.folder)
    assert [row["step"] for row in rows] == list(range(1, 12))
    assert [row["step"] for row in rows if "val/loss" in row] == [4, 8, 11]
    assert len({row["train/loss"] for row in rows}) == 11
    first, last = rows[0]["train/reward_margin"], rows[-1]["train/reward_margin"]
    assert first == 0
    assert abs(last) > 0.01
