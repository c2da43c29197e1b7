"""Frozen columns: computed once, stored under the key of everything they depend on, verified when read.

The store knows arrays and their provenance. What the arrays mean, and what they depend on, the caller says.
"""

import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from summpo.files.provenance import Provenance, read_record_if_whole
from summpo.models.weights.fingerprints import fingerprint_file
from summpo.runs.run_folder import write_whole

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ColumnStore:
    """A folder of columns: <root>/<kind>/<key>/{<name>.npy, columns.json}."""

    root: Path

    def get(
        self, kind: str, made_from: Provenance, compute: Callable[[], Arrays], called: Mapping[str, str] | None = None
    ) -> tuple[Arrays, bool]:
        """The stored columns of these inputs, or `compute()`, stored; and whether they were stored already.

        Two processes that ask for the same columns at once compute them once. A stored column whose bytes changed is
        computed anew.

        Args:
            made_from: all that decides the columns; columns.json tells it.
            called: how what they were made from was called then, for the reader of columns.json; decides nothing.
        """
        folder = self.root / kind / made_from.key[:24]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            stored = self._read(folder, made_from)
            if stored is not None:
                return stored, True
            about = {"kind": kind, "fingerprint": made_from.key, "made_from": made_from.inputs, "called": called or {}}
            self._write(folder, about, compute())
            written = self._read(folder, made_from)
        if written is None:
            raise OSError(f"{folder}: the columns just written do not read back")
        return written, False

    def _read(self, folder: Path, made_from: Provenance) -> Arrays | None:
        try:
            record = read_record_if_whole(folder / "columns.json")
            if Provenance(record["made_from"]) != made_from:
                return None
            for name, digest in record["sha256"].items():
                if fingerprint_file(folder / f"{name}.npy") != digest:
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
            record = {**record, "sha256": {name: fingerprint_file(temporary / f"{name}.npy") for name in arrays}}
            write_whole(temporary / "columns.json", json.dumps(record, indent=1))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
