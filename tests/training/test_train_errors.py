"""What stops a run: one sentence on stderr, the right exit code, and nothing half-written or lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from summpo.commands import main
from summpo.commands.compose import compose_config
from summpo.training.module import BadLoss
from summpo.training.plain_settings import train_settings
from summpo.training.plan import epoch_order
from summpo.training.run import train
from support.tiny import tiny_llama
from support.train_runs import (
    Ended,
    adapter_bytes,
    files_of,
    metrics_of,
    run,
    small,
    start,
    wait,
    write_rows,
    write_splits,
)


@dataclass(frozen=True)
class Trial:
    """Settings of a run of 8 steps that ends well, and its folder."""

    settings: list[str]
    data: Path
    folder: Path


@pytest.fixture(scope="module")
def trial(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    root = tmp_path_factory.mktemp("errors")
    data = write_splits(root / "data", train=16, validation=3)
    settings = small(
        tiny_model_path,
        data,
        root / "cache",
        trainer__max_epochs=2,
        validation__times=2,
        checkpoint_every=1,
        optimizer__schedule="constant",
    )
    ended = run([*settings, f"output_dir={root / 'run'}"], root / "log")
    assert ended.code == 0, ended.err
    return Trial(settings, data, root / "run")


def run_here(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Ended:
    """The same in this process, for runs that are refused and need no process of their own."""
    capsys.readouterr()
    code = main(["train", *arguments])
    return Ended(code, *capsys.readouterr())


def sentence(ended: Ended) -> str:
    """The one line that a run that was stopped says on stderr."""
    (line,) = ended.err.splitlines()
    assert line.startswith("summpo train: ")
    return line.removeprefix("summpo train: ")


# -- bad data and models ------------------------------------------------------------------------------------------------


def missing_file(trial: Trial, folder: Path) -> list[str]:
    return [f"dataset.path={folder / 'nowhere.jsonl'}"]


def malformed_line(trial: Trial, folder: Path) -> list[str]:
    file = write_rows(folder / "rows.jsonl", 3)
    file.write_text(file.read_text() + '{"document": "cut\n')
    return [f"dataset.path={file}"]


def missing_column(trial: Trial, folder: Path) -> list[str]:
    file = write_rows(folder / "rows.jsonl", 3)
    file.write_text(file.read_text() + '{"document": "a cat", "chosen": "cat"}\n')
    return [f"dataset.path={file}"]


def empty_completion(trial: Trial, folder: Path) -> list[str]:
    file = write_rows(folder / "rows.jsonl", 3)
    file.write_text(file.read_text() + '{"id": "bare", "document": "a cat", "chosen": " ", "rejected": "cat"}\n')
    return [f"dataset.path={file}", "dataset.validation_fraction=0", "dataset.test_fraction=0"]


def score_that_a_row_lacks(trial: Trial, folder: Path) -> list[str]:
    """In the training rows alone; the model is none that there is, and the Hub is not asked for it."""
    rows = [
        {"document": f"d {n}", "chosen": "a", "rejected": "b", "score_chosen": 2, "score_rejected": 1} for n in range(3)
    ]
    for name, given in (("train", [*rows, rows[0] | {"id": "bare", "score_rejected": None}]), ("validation", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    return [f"dataset.path={folder}", "margin_reward=score", "model.path=nobody/nothing"]


def nothing_left(trial: Trial, folder: Path) -> list[str]:
    return ["tokens.max_length=8", "tokens.too_long=drop"]


def adapter_of_another_base(trial: Trial, folder: Path) -> list[str]:
    model = next(setting.removeprefix("model.path=") for setting in trial.settings if setting.startswith("model.path="))
    shutil.copytree(model, folder / "other")
    config = json.loads((folder / "other" / "config.json").read_text())
    (folder / "other" / "config.json").write_text(json.dumps(config | {"rope_theta": 123.0}))
    return [f"model.path={folder / 'other'}", f"model.adapter={trial.folder / 'adapter'}"]


def model_without_weights(trial: Trial, folder: Path) -> list[str]:
    (folder / "empty").mkdir()
    (folder / "empty" / "config.json").write_text("{}")
    return [f"model.path={folder / 'empty'}"]


BAD: dict[Callable[[Trial, Path], list[str]], tuple[str, ...]] = {
    missing_file: ("nowhere.jsonl",),
    malformed_line: ("rows.jsonl, line 4", "malformed JSON"),
    missing_column: ("rows.jsonl, line 4", "rejected"),
    empty_completion: ("rows.jsonl, line 4", "row bare", "column chosen is empty"),
    score_that_a_row_lacks: ("row bare lacks score_chosen and score_rejected, which margin_reward=score reads",),
    nothing_left: ("dropped_too_long 16", "tokens.max_length is 8"),
    adapter_of_another_base: ("was trained on another base", "model.adapter"),
    model_without_weights: ("holds no weights", "empty"),
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_bad_input_is_told_in_one_sentence_and_leaves_no_folder(
    trial: Trial, tmp_path: Path, spoil: Callable[[Trial, Path], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = spoil(trial, tmp_path)
    before = {file.name for file in tmp_path.iterdir()}
    ended = run_here([*trial.settings, *overrides, f"output_dir={tmp_path / 'run'}"], capsys)
    assert ended.code == 2, ended.err
    for words in BAD[spoil]:
        assert words in sentence(ended)
    assert {file.name for file in tmp_path.iterdir()} == before


def test_a_device_that_is_not_there(trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for setting in ("trainer=gpu", "trainer.accelerator=mps", "trainer.devices=[0]", "trainer.strategy=fsdp"):
        ended = run_here([*trial.settings, setting, f"output_dir={tmp_path / 'run'}"], capsys)
        assert ended.code == 2, ended.err
        assert "config key" in sentence(ended)
        assert not (tmp_path / "run").exists()


def test_a_reference_with_another_vocabulary(trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tiny_llama(tmp_path / "other", texts=["entirely different words make an entirely different vocabulary"])
    ended = run_here([*trial.settings, f"reference.path={other}", f"output_dir={tmp_path / 'run'}"], capsys)
    assert ended.code == 2, ended.err
    assert "another tokenizer" in sentence(ended) and not (tmp_path / "run").exists()


def test_what_a_full_disk_leaves_is_not_taken_for_another_run(trial: Trial, tmp_path: Path) -> None:
    """The adapter cannot be saved: summary, settings and checkpoints stay, and other settings are refused."""
    folder = tmp_path / "run"
    settings = [*trial.settings, "validation.times=0", f"output_dir={folder}"]
    ended = run([*settings, "trainer.max_steps=1"], tmp_path / "log", no_room_for_the_adapter)
    assert ended.code == 2 and "adapter" in sentence(ended), ended.err
    assert {".hydra", "checkpoints", "metrics.csv", "summary.json"} <= {file.name for file in folder.iterdir()}
    ended = run([*settings, "trainer.max_steps=2"], tmp_path / "log")
    assert ended.code == 2 and "trainer.max_steps=1, not 2" in sentence(ended)
    assert run([*settings, "trainer.max_steps=1"], tmp_path / "log").code == 0
    assert (folder / "adapter").is_dir()


def no_room_for_the_adapter() -> None:
    """A disk that is full once the weights are to be saved."""
    import safetensors.torch

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    safetensors.torch.save_file = full


def test_two_processes_do_not_train_in_one_folder(trial: Trial, tmp_path: Path) -> None:
    """The second is told so and leaves the first alone, which ends as if nothing had been."""
    folder = tmp_path / "run"
    command = [*trial.settings, f"output_dir={folder}"]
    first = start(command, tmp_path / "first")
    while not (folder / "summary.json").exists():
        assert first.is_alive(), Path(f"{tmp_path / 'first'}.err").read_text()
        time.sleep(0.01)
    second = run(command, tmp_path / "second")
    assert wait(first, tmp_path / "first").code == 0
    assert adapter_bytes(folder) == adapter_bytes(trial.folder)
    if second.code != 0:  # else the first was done by then
        assert second.code == 2 and "another process is training here" in sentence(second)


def test_what_else_lies_in_the_folder_stays(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    overrides = [*missing_file(trial, tmp_path), f"output_dir={tmp_path / 'home'}"]
    assert run([*trial.settings, *overrides], tmp_path / "log").code == 2
    assert files_of(tmp_path / "home") == {"thesis.txt": b"years of work"}


def test_a_run_that_has_begun_is_not_taken_away_by_bad_data(trial: Trial, tmp_path: Path) -> None:
    shutil.copytree(trial.data, tmp_path / "data")
    folder = tmp_path / "run"
    command = [*trial.settings, f"dataset.path={tmp_path / 'data'}", f"output_dir={folder}"]
    assert run(command, tmp_path / "log", partial(change_learning_rate, 4, 1e30)).code == 1
    before = files_of(folder / "checkpoints")
    (tmp_path / "data" / "train.jsonl").write_text("{")
    assert "line 1" in sentence(run(command, tmp_path / "log"))
    assert files_of(folder / "checkpoints") == before
    assert (folder / "metrics.csv").exists()


# -- folders and disks --------------------------------------------------------------------------------------------------


def test_a_folder_below_a_file_is_refused(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run([*trial.settings, f"output_dir={tmp_path / 'file' / 'run'}"], tmp_path / "log")
    assert ended.code == 2
    assert "cannot be written to, not a directory (config key output_dir)" in sentence(ended)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_cannot_be_written_to_is_refused(trial: Trial, small_disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = run([*trial.settings, f"output_dir={small_disk / 'run'}"], tmp_path / "log")
    assert ended.code == 2
    assert "cannot be written to, read-only file system (config key output_dir)" in sentence(ended)


def fill_disk(folder: Path, step: int) -> None:
    """Before the checkpoint of a step: other files take the disk, up to a few pages."""
    from summpo.training.callbacks import WholeFiles

    save = WholeFiles.save_checkpoint

    def save_checkpoint(self: WholeFiles, checkpoint: dict[str, Any], *rest: Any, **named: Any) -> None:
        if checkpoint["global_step"] == step:
            state = os.statvfs(folder)
            (folder / "others").write_bytes(bytes(state.f_bavail * state.f_bsize - 5 * 4096))
        save(self, checkpoint, *rest, **named)

    WholeFiles.save_checkpoint = save_checkpoint  # type: ignore[method-assign]


def test_a_disk_that_is_full_when_a_checkpoint_is_due(trial: Trial, small_disk: Path, tmp_path: Path) -> None:
    folder = small_disk / "run"
    command = [*trial.settings, f"output_dir={folder}"]
    ended = run(command, tmp_path / "log", partial(fill_disk, small_disk, 6))
    assert ended.code == 2, ended.err
    told = sentence(ended)
    assert os.strerror(errno.ENOSPC).lower() in told
    assert "checkpoints" in told
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 5
    assert {file.name for file in (folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}

    (small_disk / "others").unlink()
    ended = run(command, tmp_path / "log")
    assert ended.code == 0, ended.err
    assert adapter_bytes(folder) == adapter_bytes(trial.folder)
    assert (folder / "metrics.csv").read_text() == (trial.folder / "metrics.csv").read_text()


def no_larger_file_than(bytes_: int) -> None:
    """What `ulimit -f` sets."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


@pytest.mark.parametrize(("most", "file"), [(500, "/cache/"), (20_000, "next.ckpt")])
def test_a_file_that_may_not_be_so_large(trial: Trial, tmp_path: Path, most: int, file: str) -> None:
    """The first is a column's, the second the checkpoint's; without the limit the same command goes on."""
    folder = tmp_path / "run"
    command = [*trial.settings, f"cache_dir={tmp_path / 'cache'}", f"output_dir={folder}", "trainer.max_steps=2"]
    ended = run(command, tmp_path / "log", partial(no_larger_file_than, most))
    assert ended.code == 2, ended.err
    assert os.strerror(errno.EFBIG).lower() in sentence(ended) and file in sentence(ended)
    assert not list(folder.glob("checkpoints/*.partial"))
    ended = run(command, tmp_path / "log")
    assert ended.code == 0, ended.err


def take_away(folder: Path, step: int, callback: str) -> None:
    """The run's folder vanishes once a step is done, before a callback hears of it."""
    import summpo.training.callbacks

    made = getattr(summpo.training.callbacks, callback)
    hear = made.on_train_batch_end

    def on_train_batch_end(self: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        if trainer.global_step == step:
            shutil.rmtree(folder)
        hear(self, trainer, *rest, **named)

    made.on_train_batch_end = on_train_batch_end


@pytest.mark.parametrize(("step", "callback"), [(1, "MetricsTable"), (3, "LastCheckpoint"), (8, "LastCheckpoint")])
def test_a_folder_that_is_taken_away_in_mid_run(trial: Trial, tmp_path: Path, step: int, callback: str) -> None:
    folder = tmp_path / "run"
    command = [*trial.settings, f"output_dir={folder}"]
    ended = run(command, tmp_path / "log", partial(take_away, folder, step, callback))
    assert ended.code == 2, ended.err
    assert sentence(ended) == f"{folder} was taken away while the run wrote into it"
    assert not folder.exists()


# -- losses that are not finite -----------------------------------------------------------------------------------------


def change_learning_rate(step: int, rate: float) -> None:
    """From an optimizer step (from 1) on the learning rate is another."""
    from torch.optim import AdamW

    take = AdamW.step

    def other_step(self: AdamW, closure: Any = None) -> Any:
        taken = getattr(self, "taken", 0) + 1
        self.taken = taken  # type: ignore[attr-defined]
        for group in self.param_groups if taken >= step else ():
            group["lr"] = rate
        return take(self, closure)

    AdamW.step = other_step  # type: ignore[method-assign]


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(trial: Trial, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [*trial.settings, f"output_dir={folder}"]
    ended = run(command, tmp_path / "log", partial(change_learning_rate, 3, 1e30))
    assert ended.code == 1, ended.err
    told = sentence(ended)
    rows = ", ".join(f"train-{row}" for row in epoch_order(16, 42, 0)[12:])
    assert told.startswith("the loss of step 4 is ")
    assert f"on the rows {rows};" in told
    # The third step ruined the weights: its checkpoint was written, and never became the last.
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert str(folder / "checkpoints" / "last.ckpt") in told
    assert last["global_step"] == 2
    assert all(weight.abs().max() < 10 for weight in last["state_dict"].values())
    assert [file.name for file in (folder / "checkpoints").iterdir()] == ["last.ckpt"]
    assert [row["step"] for row in metrics_of(folder)] == [1, 2, 3]
    assert not (folder / "adapter").exists()

    ended = run(command, tmp_path / "log")
    assert ended.code == 0, ended.err
    assert adapter_bytes(folder) == adapter_bytes(trial.folder)


def test_a_validation_loss_that_is_not_finite_stops_the_run(trial: Trial, tmp_path: Path) -> None:
    settings = [*trial.settings, "optimizer.lr=1e30", "trainer.max_steps=1", "validation.times=1"]
    with pytest.raises(BadLoss, match="the validation loss after step 1 is nan on the rows validation-0, validation-1"):
        train(train_settings(compose_config("train", [*settings, f"output_dir={tmp_path}"])), tmp_path)
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()
    assert not (tmp_path / "adapter").exists()


def spoil_weights(optimizer: torch.optim.AdamW, closure: Callable[[], Any]) -> None:
    """An optimizer step after which every weight is infinite."""
    closure()
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.data.fill_(float("inf"))


def test_weights_that_are_not_finite_after_the_last_step_are_not_saved(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*trial.settings, "trainer.max_steps=1", "validation.times=0"]
    monkeypatch.setattr(torch.optim.AdamW, "step", spoil_weights)
    with pytest.raises(BadLoss, match="weights are not finite after the last step, 1"):
        train(train_settings(compose_config("train", [*settings, f"output_dir={tmp_path}"])), tmp_path)
    assert not list((tmp_path / "checkpoints").glob("*"))
    assert not (tmp_path / "adapter").exists()
