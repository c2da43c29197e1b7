"""What a run leaves behind: the files of a run folder, and whether a run may start, go on or is done there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require
from summpo.files.locks import locked
from summpo.files.provenance import Provenance, differences, read_record

# What may change between a run and its resumption: where it writes, what it shows, how it is watched.
FREE_KEYS = ("output_dir", "cache_dir", "logger", "eval_batch_size", "checkpoint_every", "hydra")


@dataclass(frozen=True)
class RunFolder:
    """The files of one training run."""

    path: Path

    @property
    def summary_path(self) -> Path:
        return self.path / "summary.json"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def validation_samples_path(self) -> Path:
        return self.path / "validation_samples.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        return self.checkpoints / "best.ckpt"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        """The whole model, where all its weights trained."""
        return self.path / "model"

    @property
    def merged(self) -> Path:
        return self.path / "merged"

    def read_summary(self) -> dict[str, Any] | None:
        """summary.json, or None where no run has begun here.

        Raises:
            UserError: the file is there and is not a run's summary.
        """
        summary = read_record(self.summary_path)
        require(summary is None or "status" in summary, f"{self.summary_path}: has no status")
        return summary

    def check(self, config: dict[str, Any]) -> dict[str, Any] | None:
        """The summary of the run that is done here with these settings; None where it can start or go on.

        Raises:
            UserError: the folder cannot be written to, or holds a run with other settings.
        """
        require_writable(self.path)
        # Looked for before the summary is read: it is written first, perhaps just now by another process of this run.
        leftovers = [path.name for path in (self.last_checkpoint, self.path / ".hydra") if path.exists()]
        summary = self.read_summary()
        if summary is None:
            require(
                not leftovers,
                f"{self.path} holds {' and '.join(leftovers)} and no summary.json that says of what run: choose "
                "another output_dir",
            )
            return None
        if changed := differences(settings(summary.get("config", {})), settings(config)):
            raise UserError(
                f"{self.path} holds a run with {changed[0]}: choose another output_dir, or the same settings"
            )
        return summary if summary["status"] == "done" else None

    @property
    def done_already(self) -> str:
        """What the command says of a run that is done."""
        return f"{self.path}: done already, nothing to do (another output_dir starts another run)"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Makes the folder and keeps every other process out; of a run that is refused there before it trains, nothing
        stays.

        Raises:
            UserError: another process is in it, or it cannot be written to.
        """
        require_writable(self.path)
        has_begun, is_in = self.summary_path.exists(), False
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.path / ".lock", f"{self.path}: another process is training here (config key output_dir)"):
                is_in = True
                yield
        except UserError:
            if is_in and not has_begun:
                self.discard()
            raise

    def begin(self, summary: dict[str, Any], settings_files: Mapping[str, str]) -> None:
        """Writes the summary of a run that starts or goes on, and its settings into .hydra/.

        `summary` has the fingerprints of model and data.

        Raises:
            UserError: the run would go on from a checkpoint that was trained on something else.
        """
        now = summary["fingerprints"]
        was = (self.read_summary() or {}).get("fingerprints", now)
        changed = [difference.key for difference in differences(Provenance(was), Provenance(now))]
        require(
            not changed or not self.last_checkpoint.exists(),
            f"{self.path} holds a run that began with other data or weights, or with a summpo that reads them "
            f"otherwise ({', '.join(changed)}): choose another output_dir, or put them back",
        )
        self.write_summary({"status": "running", **summary})
        for name, text in settings_files.items():
            (self.path / ".hydra").mkdir(exist_ok=True)
            write_whole(self.path / ".hydra" / name, text)

    def discard(self) -> None:
        """Takes away what a run that never trained has left here; a folder that holds anything else stays."""
        if self.metrics_path.exists():
            return
        if self.summary_path.exists():  # and with it this run's .hydra/, not another's
            shutil.rmtree(self.path / ".hydra", ignore_errors=True)
            self.summary_path.unlink()
        with suppress(OSError):
            self.path.rmdir()

    def write_summary(self, summary: dict[str, Any]) -> None:
        """summary.json, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.summary_path, json.dumps(summary, indent=1, ensure_ascii=False, default=str) + "\n")


def require_writable(folder: Path) -> None:
    """Tries whether a file can be made in `folder`, or where it will be made; leaves nothing.

    Raises:
        UserError: it cannot.
    """
    parent = folder
    try:
        while not parent.exists():
            parent = parent.parent
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UserError(f"{folder}: cannot be written to, {why} (config key output_dir)") from None


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names the file in what the disk raises while it is written: a full disk itself names none."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Text or bytes as a file, whole or not at all; line ends stay as they are.

    Raises:
        OSError: the disk is full or refuses; names the file.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with naming(path):
            partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def whole_lines(path: Path) -> list[str]:
    """The lines of a file, without a last one that was never finished; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="\n") as file:  # and not at what else Unicode takes for a line's end
        return [line for line in file if line.endswith("\n")]


def settings(config: dict[str, Any]) -> Provenance:
    """The settings that make a run what it is. What is as it would be unsaid is null, which says no more.

    So a run from before a setting was there, or from before null said that a weight is w, is still known.
    """
    kept = {key: value for key, value in config.items() if key not in FREE_KEYS}
    usual = {"weight": config.get("w"), "normalize": "none", "scale": 1.0}
    rewards = {
        name: {key: None if value == usual.get(key, ...) else value for key, value in (reward or {}).items()}
        for name, reward in (config.get("margin_reward") or {}).items()
    }
    trainer = {**kept.get("trainer", {}), "enable_progress_bar": None}
    return Provenance(
        {**kept, "margin_reward": rewards, "trainer": trainer, "sft_weight": kept.get("sft_weight") or None}
    )
