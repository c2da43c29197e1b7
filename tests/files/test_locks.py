"""Locks of folders: one process at a time, whatever became of the one before."""

from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.files.locks import locked, writing_alone


def test_the_second_is_kept_out_as_long_as_the_first_is_in(tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    file.write_text("left by a process that was killed")
    with locked(file, "in use"):
        with pytest.raises(UserError, match=r"^in use$"), locked(file, "in use"):
            raise AssertionError("two are in")
        assert file.exists()
    with locked(file, "in use"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_was_written_goes_again(tmp_path: Path) -> None:
    """With those above it that were not there; what was there before stays, empty or not."""
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "a" / "b", tmp_path / "there" / "c", tmp_path / "there"):
        with pytest.raises(ZeroDivisionError), writing_alone(folder):
            print(1 / 0)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with writing_alone(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "kept").touch()
        with pytest.raises(UserError, match="b: another process is writing here"), writing_alone(tmp_path / "a" / "b"):
            raise AssertionError("two are in")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["kept"]
