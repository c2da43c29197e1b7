"""Folders appear whole or not at all."""

import errno
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.models.weights.saving import whole_folder


def content(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_a_new_folder_and_its_parents(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "a" / "b") as partial:
        (partial / "file").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert content(tmp_path) == {"a/b/file": "1"}


def test_takes_the_place_of_the_former(tmp_path: Path) -> None:
    for text in ("1", "2"):
        with whole_folder(tmp_path / "a") as partial:
            (partial / text).write_text(text)
    assert content(tmp_path) == {"a/2": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_leaves_the_former(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with whole_folder(target) as partial:
        (partial / "file").write_text("1")
    with pytest.raises(UserError, match=f"cannot write {target}: No space left on device"), whole_folder(target) as p:
        (p / "file").write_text("2")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert content(tmp_path) == {"a/file": "1"}


def test_a_bug_stays_a_bug_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a") as partial:
        (partial / "file").write_text("2")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / ".a.partial").mkdir()
    (tmp_path / ".a.partial" / "rubbish").write_text("0")
    (tmp_path / ".a.former").mkdir()
    (tmp_path / ".a.former" / "good").write_text("1")
    with pytest.raises(UserError), whole_folder(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full")
    assert content(tmp_path) == {"a/good": "1"}
    with whole_folder(tmp_path / "a") as partial:
        (partial / "file").write_text("2")
    assert content(tmp_path) == {"a/file": "2"}


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"cannot write {tmp_path}/file/a: "), whole_folder(tmp_path / "file" / "a"):
        pass


def test_others_may_read_as_the_umask_allows(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "a") as partial:
        (partial / "file").touch(mode=0o600)
    mode = (tmp_path / "a").stat().st_mode
    assert (tmp_path / "a" / "file").stat().st_mode & 0o777 == mode & 0o666
