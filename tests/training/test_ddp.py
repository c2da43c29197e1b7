"""Two processes with batches of 4 do what one does with batches of 8, and go on like one where they were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from support.train_runs import (
    SECONDS,
    Ended,
    adapter_bytes,
    files_of,
    metrics_of,
    run,
    run_ranks,
    small,
    summary_of,
    write_splits,
)

OBJECTIVES = {
    # 21 rows: the last batch of an epoch is 3 rows here and 2 there
    "sft": {"rows": 21, "objective": "sft", "trainer__accumulate_grad_batches": 2},
    # 17 rows: the second process has no row in the last batch, and none in validation
    "modpo": {"rows": 17, "objective": "modpo", "w": 0.05},
    # 17 pairs are 34 labelled rows; a reference point is one number of both processes
    "kto": {"rows": 17, "objective": "kto", "w": 0.05, "validation__rows": 1},
    "bco": {"rows": 17, "objective": "bco", "w": 0.05, "trainer__accumulate_grad_batches": 2},
}


@dataclass(frozen=True)
class Pair:
    """The same run by one process, by two, and the settings of both without batch size and devices."""

    one: Path
    two: Path
    settings: list[str]
    ended: list[Ended]


@pytest.fixture(scope="module", params=OBJECTIVES)
def pair(request: pytest.FixtureRequest, tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return run_both(tmp_path_factory.mktemp(request.param), tiny_model_path, **OBJECTIVES[request.param])


def run_both(root: Path, model: Path, rows: int, **settings: Any) -> Pair:
    data = write_splits(root / "data", train=rows, validation=1 if rows == 17 else 5)
    shared = small(
        model,
        data,
        root / "cache",
        trainer__max_epochs=2,
        validation__times=2,
        validation__samples=1,
        validation__max_new_tokens=4,
        checkpoint_every=1,
        **settings,
    )
    one = run([*shared, "batch_size=8", f"output_dir={root / 'one'}"], root / "log")
    assert one.code == 0, one.err
    two = run_ranks([*shared, f"output_dir={root / 'two'}"], root / "log")
    assert [ended.code for ended in two] == [0, 0], two
    return Pair(root / "one", root / "two", shared, two)


def test_two_processes_take_the_steps_of_one(pair: Pair) -> None:
    one, two = metrics_of(pair.one), metrics_of(pair.two)
    assert len(one) >= 3
    assert len({row["train/loss"] for row in one}) == len(one)
    for of_one, of_two in zip(one, two, strict=True):
        assert of_two == pytest.approx(of_one, rel=1e-4, abs=1e-5)


def test_two_processes_end_with_the_weights_of_one(pair: Pair) -> None:
    one, two = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (pair.one, pair.two))
    assert one.keys() == two.keys()
    for name in one:
        assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-5)


def test_two_processes_leave_the_files_of_one(pair: Pair) -> None:
    def names(folder: Path) -> set[str]:
        return {name for name in files_of(folder) if not name.startswith((".hydra", "train"))}

    assert names(pair.two) == names(pair.one)
    samples = [(folder / "validation_samples.jsonl").read_text().count("\n") for folder in (pair.one, pair.two)]
    assert samples == [2, 2]
    one, two = summary_of(pair.one), summary_of(pair.two)
    assert [two[key] for key in ("status", "steps", "rows_seen", "tokens_seen", "rows", "fingerprints")] == [
        one[key] for key in ("status", "steps", "rows_seen", "tokens_seen", "rows", "fingerprints")
    ]
    assert "recommended" not in pair.ended[0].err


def kill_at_batch(index: int, rank: int) -> None:
    """Kills the first process before a batch of both."""
    from summpo.training.module import TrainingModule

    step = TrainingModule.training_step

    def training_step(self: TrainingModule, batch: Any, batch_idx: int) -> Any:
        if batch_idx == index and rank == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, batch_idx)

    TrainingModule.training_step = training_step


def test_a_killed_run_goes_on_as_a_point_of_a_sweep_that_starts_its_own_processes(
    tiny_model_path: Path, tmp_path: Path
) -> None:
    data = write_splits(tmp_path / "data", train=17, validation=3)
    settings = small(
        tiny_model_path,
        data,
        tmp_path / "cache",
        objective="modpo",
        lora__dropout=0.1,
        trainer__max_epochs=2,
        validation__times=2,
        checkpoint_every=1,
    )
    whole, sweep = tmp_path / "whole", tmp_path / "sweep"
    whole_run = run_ranks([*settings, "w=0.05", f"output_dir={whole}"], tmp_path / "log")
    assert [ended.code for ended in whole_run] == [0, 0], whole_run
    killed = run_ranks(
        [*settings, "w=0.05", f"output_dir='{sweep}/w=0.05'"], tmp_path / "log", sabotage=partial(kill_at_batch, 4)
    )
    assert killed[0].code == -signal.SIGKILL
    assert killed[1].code != 0, "it waits for no process that is gone"

    command = [str(Path(sys.executable).with_name("summpo")), "train", "-m", *settings, "w=0.05,0.1", "trainer=ddp"]
    ended = subprocess.run(
        [*command, f"output_dir={sweep}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("goes on from") == 1
    assert ended.stdout.count("done; weights in") == 2
    assert adapter_bytes(sweep / "w=0.05") == adapter_bytes(whole)
    assert (sweep / "w=0.05" / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    assert adapter_bytes(sweep / "w=0.1") != adapter_bytes(whole)
    assert [row["step"] for row in metrics_of(sweep / "w=0.1")] == [1, 2, 3, 4, 5, 6]
    assert {folder.name for folder in sweep.iterdir()} == {"multirun.yaml", "w=0.05", "w=0.1"}


def spoil_the_second_process(rank: int) -> None:
    """Its loss of the third batch is not a number."""
    from summpo.training.module import TrainingModule

    measure = TrainingModule.measure

    def spoilt(self: TrainingModule, batch: Any, *draw: int, **moment: Any) -> Any:
        found = measure(self, batch, *draw, **moment)
        is_third = rank == 1 and self.trainer.training and self.global_step == 2
        nan = {**found.values, "loss": found.values["loss"] * float("nan")}
        return replace(found, values=nan) if is_third else found

    TrainingModule.measure = spoilt


def test_a_loss_that_is_not_finite_in_one_process_stops_both(tiny_model_path: Path, tmp_path: Path) -> None:
    data = write_splits(tmp_path / "data", train=24, validation=2)
    settings = small(tiny_model_path, data, tmp_path / "cache", output_dir=tmp_path / "run", checkpoint_every=1)
    first, second = run_ranks(settings, tmp_path / "log", sabotage=spoil_the_second_process)
    assert (first.code, second.code) == (1, 1)
    sentence = first.err.strip().splitlines()[-1]
    assert "the loss of step 3 is nan on the rows train-" in sentence
    assert str(tmp_path / "run" / "checkpoints" / "last.ckpt") in sentence
