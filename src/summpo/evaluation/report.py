"""The report of a sweep: a plain table for the terminal, and a folder with the front as picture, page, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from summpo.errors import UserError
from summpo.evaluation.figure import draw
from summpo.evaluation.page import render
from summpo.evaluation.results import RunResult, find_runs, names, read_run, read_runs
from summpo.evaluation.table import table
from summpo.evaluation.tradeoffs import Choice, Comparison, compare, notes

__all__ = ["RunResult", "compare", "find_runs", "read_run", "read_runs", "table", "write_report"]


def write_report(
    results: Sequence[RunResult],
    out: Path,
    *,
    quality: str = "eval/rouge1",
    reference_point: tuple[float, float] | None = None,
) -> tuple[Path, ...]:
    """Writes front.png, front.html, results.csv and results.json into `out` and returns their paths.

    Args:
        quality: the measure that the front is drawn for; the page can switch to the others of `QUALITIES`.
        reference_point: (length in tokens, quality) of the hypervolume; give one to compare reports with each other.

    Raises:
        UserError: where there is no run, the runs summarised different documents, the quality is unknown or a file
            cannot be written. Everything is made before the first file is written, and each file appears whole.
    """
    comparisons = compare(results, quality, reference_point)
    shown, png = comparisons[0], draw(comparisons[0])
    contents = {
        "front.png": png,
        "front.html": render(comparisons, png).encode(),
        "results.csv": _as_csv(shown).encode(),
        "results.json": _as_json(shown).encode(),
    }
    return tuple(_write(out / name, content) for name, content in contents.items())


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    run_names = names([choice.result for choice in comparison.choices])
    return [_row(choice, name) for choice, name in zip(comparison.choices, run_names, strict=True)]


def _row(choice: Choice, name: str) -> dict[str, Any]:
    run = choice.result
    return {
        "name": name,
        "label": choice.label,
        "folder": str(run.folder),
        "objective": run.objective,
        "w": run.w,
        "seed": run.seed,
        "on_front": choice.on_front,
        "tradeoff": choice.sentence,
        "metrics": dict(run.metrics),
        "intervals": {metric: list(bounds) for metric, bounds in run.intervals.items()},
        "preference_accuracy": run.preference_accuracy,
        "preference_accuracy_with_margin": run.preference_accuracy_with_margin,
        "validation_accuracy": run.validation_accuracy,
        "validation_accuracy_with_margin": run.validation_accuracy_with_margin,
        "train_time_s": run.train_time_s,
        "evaluation_time_s": run.evaluation_time_s,
        "generation": dict(run.generation),
    }


def _as_json(comparison: Comparison) -> str:
    first = comparison.choices[0].result
    report = {
        "dataset": first.dataset,
        "split": first.split,
        "documents": first.documents,
        "quality": comparison.quality,
        "base": comparison.choices[comparison.base].label,
        "hypervolume": comparison.hypervolume,
        "reference_point": list(comparison.reference_point),
        "notes": notes([choice.result for choice in comparison.choices]),
        "runs": _rows(comparison),
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _as_csv(comparison: Comparison) -> str:
    """One line a run; metrics as columns of their own, each with its interval's bounds as `<metric>_low`, `_high`."""
    rows = []
    for row in _rows(comparison):
        metrics, intervals = row.pop("metrics"), row.pop("intervals")
        row.pop("generation")
        bounds = {
            f"{name}_{end}": bound
            for name, pair in intervals.items()
            for end, bound in zip(("low", "high"), pair, strict=True)
        }
        rows.append(row | metrics | bounds)
    text = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(file: Path, content: bytes) -> Path:
    """Writes beside the file and renames, so that a reader finds the old file or the new one and never half of one."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            partial.unlink()
    return file
