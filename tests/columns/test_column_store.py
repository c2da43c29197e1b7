"""The column store: once, whole or not at all, verified when read."""

import itertools
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.columns.store import Arrays, ColumnStore
from summpo.files.provenance import Provenance
from summpo.text.tokens import Limits

COLUMNS: Arrays = {
    "ids": np.array(["a", "zweite 😀"]),
    "values": np.arange(6, dtype=np.float32).reshape(2, 3),
    "nothing": np.zeros((0, 2), np.int64),
}
KEY = Provenance({"rows": [["a", "text"]], "limits": Limits()})


def never() -> Arrays:
    pytest.fail("computed what is stored")


def assert_equal(arrays: Arrays, expected: Arrays = COLUMNS) -> None:
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array), name


def files_of(root: Path) -> list[str]:
    """Everything under a store but its lock files."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


class TestStore:
    def test_computes_once(self, tmp_path: Path) -> None:
        store = ColumnStore(tmp_path / "columns")
        arrays, was_stored = store.get("tokens", KEY, lambda: COLUMNS)
        assert_equal(arrays)
        assert not was_stored
        arrays, was_stored = ColumnStore(tmp_path / "columns").get("tokens", KEY, never)
        assert_equal(arrays)
        assert was_stored

    def test_what_it_leaves(self, tmp_path: Path) -> None:
        ColumnStore(tmp_path).get("tokens", KEY, lambda: COLUMNS, {"tokenizer": "a/b"})
        folder = f"tokens/{KEY.key[:24]}"
        names = ("columns.json", "ids.npy", "nothing.npy", "values.npy")
        assert files_of(tmp_path) == [f"{folder}/{name}" for name in names]
        record = json.loads((tmp_path / folder / "columns.json").read_text("utf-8"))
        assert (record["kind"], record["fingerprint"]) == ("tokens", KEY.key)
        assert (record["made_from"], record["called"]) == (KEY.inputs, {"tokenizer": "a/b"})
        assert ColumnStore(tmp_path).get("tokens", KEY, never, {"tokenizer": "by another name"})[1]

    def test_other_inputs_and_other_kinds_are_other_columns(self, tmp_path: Path) -> None:
        store = ColumnStore(tmp_path)
        computed = itertools.count()
        for kind, key in [("tokens", 1), ("tokens", 2), ("margins", 1), ("tokens", 1)]:
            store.get(kind, Provenance({"n": key}), lambda: {"n": np.array(next(computed))})
        assert next(computed) == 3

    def test_nobody_writes_into_a_stored_column(self, tmp_path: Path) -> None:
        arrays, _ = ColumnStore(tmp_path).get("tokens", KEY, lambda: {"values": np.zeros(3)})
        with pytest.raises(ValueError, match="read-only"):
            arrays["values"][0] = 1.0

    def test_a_failed_computation_leaves_nothing(self, tmp_path: Path) -> None:
        store = ColumnStore(tmp_path)
        with pytest.raises(ZeroDivisionError):
            store.get("tokens", KEY, lambda: {"values": np.array(1 // 0)})
        assert files_of(tmp_path) == []
        assert_equal(store.get("tokens", KEY, lambda: COLUMNS)[0])

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
            patch.setattr("summpo.columns.store.np.save", full)
            ColumnStore(tmp_path).get("tokens", KEY, lambda: COLUMNS)
        assert files_of(tmp_path) == []


class TestBrokenBytes:
    @given(st.data())
    def test_any_changed_byte_is_computed_anew_or_harmless(self, data: st.DataObject) -> None:
        """Harmless: a byte of the record that says nothing of the arrays."""
        with tempfile.TemporaryDirectory() as root:
            store = ColumnStore(Path(root))
            store.get("tokens", KEY, lambda: COLUMNS)
            file = Path(root, data.draw(st.sampled_from(files_of(Path(root)))))
            content = bytearray(file.read_bytes())
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            file.write_bytes(content)
            arrays, was_stored = store.get("tokens", KEY, lambda: COLUMNS)
            assert_equal(arrays)
            assert not was_stored or file.name == "columns.json"
            assert_equal(store.get("tokens", KEY, never)[0])

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b"{}", b"\xff\xfe", None])
    @pytest.mark.parametrize("name", ["columns.json", "values.npy"])
    def test_a_file_that_is_something_else(self, tmp_path: Path, name: str, content: bytes | None) -> None:
        store = ColumnStore(tmp_path)
        store.get("tokens", KEY, lambda: COLUMNS)
        (file,) = tmp_path.rglob(name)
        file.unlink() if content is None else file.write_bytes(content)
        arrays, was_stored = store.get("tokens", KEY, lambda: COLUMNS)
        assert_equal(arrays)
        assert not was_stored

    @pytest.mark.parametrize("digests", [[], None, {"values": 3}, {"../values": "0"}, {"\0": "0"}])
    def test_a_record_of_another_shape(self, tmp_path: Path, digests: Any) -> None:
        store = ColumnStore(tmp_path)
        store.get("tokens", KEY, lambda: COLUMNS)
        (file,) = tmp_path.rglob("columns.json")
        file.write_text(json.dumps({"made_from": KEY.inputs, "sha256": digests}))
        arrays, was_stored = store.get("tokens", KEY, lambda: COLUMNS)
        assert_equal(arrays)
        assert not was_stored

    def test_it_says_which_file_changed(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = ColumnStore(tmp_path)
        store.get("tokens", KEY, lambda: COLUMNS)
        (file,) = tmp_path.rglob("values.npy")
        file.write_bytes(file.read_bytes() + b"\0")
        store.get("tokens", KEY, lambda: COLUMNS)
        assert f"{file} has changed since it was written; computing it anew" in capsys.readouterr().out


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from summpo.columns.store import ColumnStore
from summpo.files.provenance import Provenance

save, saved = np.save, []
def save_and_die(file, array):
    save(file, array)
    saved.append(file)
    if len(saved) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
np.save = save_and_die
ColumnStore(Path(sys.argv[1])).get("tokens", Provenance({}), lambda: {name: np.arange(100) for name in "abc"})
"""
ASKING = """
import sys, time
from pathlib import Path
import numpy as np
from summpo.columns.store import ColumnStore
from summpo.files.provenance import Provenance

def compute():
    with open(sys.argv[2], "a") as log:
        log.write("computed\\n")
    time.sleep(0.3)
    return {"values": np.arange(1000)}
arrays, _ = ColumnStore(Path(sys.argv[1])).get("tokens", Provenance({}), compute)
print(int(arrays["values"].sum()))
"""


class TestProcesses:
    def test_a_kill_in_mid_write_leaves_no_half_column(self, tmp_path: Path) -> None:
        killed = python(KILLED, tmp_path)
        assert killed.communicate()[1] == ""
        assert killed.returncode == -signal.SIGKILL
        assert [path for path in (tmp_path / "tokens").iterdir() if not path.name.startswith(".")] == [
            tmp_path / "tokens" / f"{Provenance({}).key[:24]}.lock"
        ]
        arrays, was_stored = ColumnStore(tmp_path).get("tokens", Provenance({}), lambda: COLUMNS)
        assert_equal(arrays)
        assert not was_stored

    def test_several_at_once_compute_once(self, tmp_path: Path) -> None:
        asking = [python(ASKING, tmp_path / "store", tmp_path / "log") for _ in range(4)]
        printed = [process.communicate() for process in asking]
        assert [process.returncode for process in asking] == [0] * 4, printed
        assert [out.split()[-1] for out, _ in printed] == [str(999 * 1000 // 2)] * 4
        assert (tmp_path / "log").read_text() == "computed\n"
