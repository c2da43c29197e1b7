"""What a run folder says of the run in it: may it start, go on, is it done."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from summpo.errors import UserError
from summpo.files.provenance import Provenance
from summpo.runs.run_folder import RunFolder, settings, write_whole

CONFIG = {
    "seed": 1,
    "optimizer": {"lr": 0.1, "betas": [0.9, 0.999]},
    "trainer": {"max_epochs": 1},
    "output_dir": "here",
}
FACTS = {"fingerprints": {"model": "m", "train_tokens": "t"}, "config": CONFIG}


def test_an_empty_or_absent_folder_can_start(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).check(CONFIG) is None
    assert RunFolder(tmp_path / "deep" / "below").check(CONFIG) is None
    assert not (tmp_path / "deep").exists()


def test_a_run_that_began_can_go_on_and_a_done_one_is_done(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin(FACTS, {})
    assert run.check(CONFIG) is None
    run.write_summary({"status": "done", **FACTS})
    done = run.check(CONFIG)
    assert done is not None
    assert done["status"] == "done"
    assert str(tmp_path) in run.done_already


def changed(**changes: Any) -> dict[str, Any]:
    return CONFIG | changes


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (changed(seed=2), "seed=1, not 2"),
        (changed(optimizer={"lr": 0.2, "betas": [0.9, 0.999]}), "optimizer.lr=0.1, not 0.2"),
        (changed(optimizer={"lr": 0.1, "betas": [0.9, 0.99]}), "optimizer.betas="),
        (changed(lora=None, w=0.1), "w=None, not 0.1"),
    ],
)
def test_other_settings_are_refused_by_name_and_value(tmp_path: Path, config: dict[str, Any], told: str) -> None:
    run = RunFolder(tmp_path)
    run.begin(FACTS, {})
    with pytest.raises(UserError, match="choose another output_dir") as error:
        run.check(config)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "config",
    [
        changed(output_dir="there"),
        changed(cache_dir="elsewhere", eval_batch_size=3, checkpoint_every=7),
        changed(trainer={"max_epochs": 1, "enable_progress_bar": False}),
        changed(optimizer={"lr": 0.1, "betas": (0.9, 0.999)}),
    ],
)
def test_what_does_not_change_a_run_may_change(tmp_path: Path, config: dict[str, Any]) -> None:
    run = RunFolder(tmp_path)
    run.begin(FACTS, {})
    assert run.check(config) is None


def test_a_run_with_a_checkpoint_goes_on_with_the_same_data_and_weights_alone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin(FACTS, {})
    other = FACTS | {"fingerprints": {"model": "m", "train_tokens": "u"}}
    run.begin(other, {})
    run.checkpoints.mkdir()
    run.last_checkpoint.write_bytes(b"")
    run.begin(other, {})
    with pytest.raises(UserError, match=r"other data or weights, .* \(train_tokens\)"):
        run.begin(FACTS, {})
    summary = run.read_summary()
    assert summary is not None
    assert summary["fingerprints"]["train_tokens"] == "u"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\xff"])
def test_a_summary_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content, "latin-1")
    with pytest.raises(UserError, match=r"summary\.json"):
        RunFolder(tmp_path).check(CONFIG)


def test_a_folder_below_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/run: cannot be written to, .* \(config key output_dir\)"):
        RunFolder(tmp_path / "file" / "run").check(CONFIG)


def test_a_run_that_never_began_leaves_nothing_of_its_own_and_all_of_others(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin(FACTS, {"config.yaml": "seed: 1\n"})
    assert (run.path / ".hydra" / "config.yaml").read_text() == "seed: 1\n"
    run.discard()
    assert not run.path.exists()

    run.begin(FACTS, {})
    (run.path / "notes.txt").write_text("mine")
    run.discard()
    assert [file.name for file in run.path.iterdir()] == ["notes.txt"]


def test_a_run_that_has_trained_is_not_discarded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin(FACTS, {"config.yaml": ""})
    run.metrics_path.write_text("step\n")
    run.discard()
    assert {file.name for file in tmp_path.iterdir()} == {".hydra", "metrics.csv", "summary.json"}


@pytest.mark.parametrize("leftover", [".hydra", "checkpoints/last.ckpt"])
def test_what_belongs_to_an_unknown_run_is_neither_gone_on_from_nor_touched(tmp_path: Path, leftover: str) -> None:
    (tmp_path / leftover).parent.mkdir(exist_ok=True)
    (tmp_path / leftover).write_text("precious")
    with pytest.raises(UserError, match=f"holds {Path(leftover).name} and no summary.json"):
        RunFolder(tmp_path).check(CONFIG)
    RunFolder(tmp_path).discard()
    assert (tmp_path / leftover).read_text() == "precious"


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    with RunFolder(tmp_path).alone():
        other = RunFolder(tmp_path)
        with pytest.raises(UserError, match="another process is training here"), other.alone():
            raise AssertionError("two processes are in")
    assert list(tmp_path.iterdir()) == []
    with RunFolder(tmp_path).alone():
        pass


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.json"
    write_whole(file, "before\r\n")

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, "after")
    assert file.read_bytes() == b"before\r\n"
    assert list(tmp_path.iterdir()) == [file]


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "picture.png", b"\x89PNG\r\n")
    assert (tmp_path / "picture.png").read_bytes() == b"\x89PNG\r\n"


def test_settings_leave_out_what_does_not_make_a_run() -> None:
    trainer = {"max_epochs": 1, "enable_progress_bar": True}
    assert settings(CONFIG | {"logger": {"csv": {}}, "trainer": trainer}) == settings(CONFIG)
    kept = {name: value for name, value in CONFIG.items() if name != "output_dir"}
    assert settings(CONFIG) == Provenance(kept)


def test_a_run_from_before_a_setting_was_there_goes_on_where_it_is_off(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin(FACTS, {})
    assert run.check(changed(lora=None, margin_reward={}, optimizer=CONFIG["optimizer"] | {"clip": None})) is None
    with pytest.raises(UserError, match=r"optimizer\.clip=None, not 1"):
        run.check(changed(optimizer=CONFIG["optimizer"] | {"clip": 1}))
