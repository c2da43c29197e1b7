"""Frozen columns: computed once, stored under the fingerprint of everything they depend on, verified when read.

The store knows arrays and fingerprints. What the arrays mean, and what they depend on, the caller says.
"""

import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from summpo.runs.run_folder import write_whole

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def fingerprint(inputs: Any) -> str:
    """sha256 (hex) of plain data: dicts (in any order), lists, text, numbers, None and frozen dataclasses."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=_plain, ensure_ascii=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **asdict(value)}
    raise TypeError(f"a fingerprint takes plain data, got {type(value).__name__}")


@dataclass(frozen=True)
class ColumnStore:
    """A folder of columns: <root>/<kind>/<fingerprint>/{<name>.npy, columns.json}."""

    root: Path

    def get(
        self, kind: str, made_from: Any, compute: Callable[[], Arrays], called: Mapping[str, str] | None = None
    ) -> tuple[Arrays, bool]:
        """The stored columns of these inputs, or `compute()`, stored; and whether they were stored already.

        Two processes that ask for the same columns at once compute them once. A stored column whose bytes changed is
        computed anew.

        Args:
            made_from: all that decides the columns: columns.json tells it, and its fingerprint is their key.
            called: how what they were made from was called then, for the reader of columns.json; no part of the key.
        """
        key = fingerprint(made_from)
        folder = self.root / kind / key[:24]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            stored = self._read(folder, key)
            if stored is not None:
                return stored, True
            record = {"kind": kind, "fingerprint": key, "made_from": made_from, "called": dict(called or {})}
            self._write(folder, record, compute())
            written = self._read(folder, key)
        if written is None:
            raise OSError(f"{folder}: the columns just written do not read back")
        return written, False

    def _read(self, folder: Path, key: str) -> Arrays | None:
        try:
            record = json.loads((folder / "columns.json").read_text("utf-8"))
            if record["fingerprint"] != key:
                return None
            for name, digest in record["sha256"].items():
                if _sha256(folder / f"{name}.npy") != digest:
                    log.info(f"columns: {folder / name}.npy has changed since it was written; computing it anew")
                    return None
            return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in record["sha256"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # whatever broken bytes can spell
            return None

    def _write(self, folder: Path, record: dict[str, Any], arrays: Arrays) -> None:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, array in arrays.items():
                memory = io.BytesIO()  # straight into a file numpy would hide why the disk refuses
                np.save(memory, np.ascontiguousarray(array))
                write_whole(temporary / f"{name}.npy", memory.getbuffer())
            record = {**record, "sha256": {name: _sha256(temporary / f"{name}.npy") for name in arrays}}
            write_whole(temporary / "columns.json", json.dumps(record, default=_plain, indent=1))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
