"""What a run left behind, read and checked: summary.json, evaluation.json and samples.jsonl of its folder."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from summpo.errors import UserError, require
from summpo.evaluation.scores import METRICS

QUALITIES = {"eval/rouge1": "ROUGE-1", "eval/rouge2": "ROUGE-2", "eval/rougeL": "ROUGE-L"}
"""The measures of quality that a front can be drawn for, with the names that readers know."""

LENGTH = "eval/length_tokens"


@dataclass(frozen=True, slots=True)
class Sample:
    """One generated summary beside its document and references: a line of samples.jsonl."""

    id: str
    document: str
    summary: str
    references: tuple[str, ...]
    length_tokens: int
    length_words: int
    ended: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    """Every metric's value of this summary, where the evaluation left them."""


@dataclass(frozen=True)
class RunResult:
    """One trained and evaluated run. Accuracies and rates are 0 to 1, times are seconds."""

    folder: Path
    objective: str
    w: float | None
    """The weight of the margin reward; None for a run that has none, such as SFT."""
    seed: int | None
    train_time_s: float
    evaluation_time_s: float
    metrics: Mapping[str, float]
    """Means over the held-out documents: `METRICS` of scores, and what else the evaluation measured."""
    intervals: Mapping[str, tuple[float, float]]
    """95% intervals of the metrics, where the evaluation left one."""
    documents: int
    dataset: str
    split: str
    preference_accuracy: float | None
    """Held-out pairs that the implicit reward orders as the annotators did; None where the data has no pairs."""
    preference_accuracy_with_margin: float | None
    validation_accuracy: float | None
    """val/reward_accuracy at the end of training, on the pairs of the run's own validation split."""
    validation_accuracy_with_margin: float | None
    generation: Mapping[str, Any]
    samples: tuple[Sample, ...]
    bertscore: Mapping[str, Any] = field(default_factory=dict)
    """How BERTScore was measured (`measured_by`); empty where it was not."""

    @property
    def length(self) -> float:
        """Mean length of a generated summary, tokens."""
        return self.metrics[LENGTH]

    def interval_text(self, metric: str) -> str:
        """The metric's interval as "[0.401, 0.423]", or nothing where there is none."""
        low, high = self.intervals.get(metric, (None, None))
        return "" if low is None else f"[{low:.3f}, {high:.3f}]"


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The run folders among `folders` and, where a folder is none itself, below it; each once, in the order of names.

    A run folder is one with a summary.json. Runs inside a run are not looked for.

    Raises:
        UserError: naming the folder that does not exist or holds no run.
    """
    return list(dict.fromkeys(run for folder in folders for run in _runs_below(folder)))


def read_run(folder: Path) -> RunResult:
    """Reads one run folder.

    Raises:
        UserError: naming the file that is missing or malformed, and the key or line.
    """
    summary = read_object(folder / "summary.json", "a finished training run leaves it")
    status = summary.text("status")
    require(status == "done", f"{summary.place}: status must be done, got {status}: let the run finish first")
    evaluation = read_object(folder / "evaluation.json", "`summpo evaluate` writes it")
    objective, seed = summary.text("objective"), summary.optional_number("seed")
    train_metrics = summary.record("metrics")
    metrics, intervals = evaluation.record("metrics"), evaluation.record("intervals")
    return RunResult(
        folder=folder,
        objective=objective,
        # SFT weighs nothing, whatever the configuration's w said.
        w=None if objective == "sft" else summary.optional_number("w"),
        seed=None if seed is None else int(seed),
        train_time_s=summary.number("wall_time_s"),
        evaluation_time_s=evaluation.number("wall_time_s"),
        metrics={name: metrics.number(name) for name in dict.fromkeys((*METRICS, *metrics.known()))},
        intervals={name: intervals.interval(name) for name in intervals.known()},
        documents=int(evaluation.number("documents")),
        dataset=evaluation.text("dataset"),
        split=evaluation.text("split"),
        preference_accuracy=evaluation.optional_number("preference_accuracy"),
        preference_accuracy_with_margin=evaluation.optional_number("preference_accuracy_with_margin"),
        validation_accuracy=train_metrics.optional_number("val/reward_accuracy"),
        validation_accuracy_with_margin=train_metrics.optional_number("val/reward_accuracy_with_margin"),
        generation=evaluation.record("generation").values,
        samples=read_samples(folder / "samples.jsonl"),
        bertscore=evaluation.record("bertscore").values if "bertscore" in evaluation.known() else {},
    )


def in_order(results: Iterable[RunResult]) -> list[RunResult]:
    """Baselines without w first, then by w, seed and folder."""
    return sorted(results, key=lambda r: (r.w is not None, r.w or 0.0, r.seed or 0, str(r.folder)))


class InFolder(Protocol):
    """What a run or an evaluation left, in a folder that names it."""

    @property
    def folder(self) -> Path: ...


def names(results: Sequence[InFolder]) -> list[str]:
    """The folders' names, with as many parents as it takes to tell them apart: "a/w=0" and "b/w=0"."""
    parts = [result.folder.resolve().parts for result in results]
    tails = ["/".join(part[-1:]) for part in parts]
    for depth in range(2, max(map(len, parts), default=0) + 1):
        if len(set(tails)) == len(set(parts)):
            break
        tails = ["/".join(part[-depth:]) for part in parts]
    return tails


def labels(results: Sequence[RunResult]) -> list[str]:
    """What a picture calls each run: "w=0.1", the objective where there is no w, the name added where two agree."""
    short = [result.objective if result.w is None else f"w={result.w:g}" for result in results]
    seen = Counter(short)
    return [
        label if seen[label] == 1 or label == name else f"{label} ({name})"
        for label, name in zip(short, names(results), strict=True)
    ]


def check_comparable(results: Sequence[RunResult]) -> None:
    """Guards that all runs summarised the same documents.

    Raises:
        UserError: where there is no run, or naming two runs that were evaluated on different documents.
    """
    require(len(results) > 0, "there is no run to report on")
    first = results[0]
    for other in results[1:]:
        require(
            (other.dataset, other.split, other.documents) == (first.dataset, first.split, first.documents),
            f"{first.folder} and {other.folder} were evaluated on different documents, {_documents(first)} and "
            f"{_documents(other)}: report them apart",
        )


def _documents(run: RunResult) -> str:
    return f"{run.documents} of {run.dataset}/{run.split}"


def _runs_below(folder: Path) -> list[Path]:
    require(folder.is_dir(), f"{folder} is not a folder")
    if (folder / "summary.json").is_file():
        return [folder]
    runs: list[Path] = []
    for child in sorted(file.parent for file in folder.rglob("summary.json")):
        if not any(child.is_relative_to(run) for run in runs):
            runs.append(child)
    require(len(runs) > 0, f"{folder} holds no run: no summary.json in it or below it")
    return runs


def read_object(file: Path, origin: str) -> Fields:
    """The JSON object in a file.

    Raises:
        UserError: naming the file: it is missing, of which `origin` says where it comes from, or malformed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{file} is missing: {origin}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    return Fields(str(file), _parse(str(file), text))


def read_samples(file: Path) -> tuple[Sample, ...]:
    """The lines of samples.jsonl; none where the run left no such file."""
    if not file.exists():
        return ()
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    return tuple(_read_sample(f"{file}, line {n}", line) for n, line in enumerate(lines, start=1) if line.strip())


def _read_sample(place: str, line: str) -> Sample:
    fields = Fields(place, _parse(place, line))
    references = fields.values.get("references")
    is_texts = isinstance(references, list) and all(isinstance(reference, str) for reference in references)
    require(is_texts, f"{place}: references must be a list of texts, got {references!r}")
    return Sample(
        id=fields.text("id"),
        document=fields.text("document"),
        summary=fields.text("summary"),
        references=tuple(references or ()),
        length_tokens=int(fields.number("length_tokens")),
        length_words=int(fields.number("length_words")),
        ended=bool(fields.values.get("ended")),
        scores=fields.numbers("scores") if "scores" in fields.values else {},
    )


def _parse(place: str, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UserError(f"{place} is not valid JSON: {error}") from None
    require(isinstance(values, dict), f"{place} must be a JSON object, got {text[:40]!r}")
    return values


@dataclass(frozen=True)
class Fields:
    """The values of one JSON object, asked for by key and type; every complaint names the place and the key."""

    place: str
    values: dict[str, Any]

    def known(self) -> list[str]:
        """The keys whose value is not null."""
        return [key for key, value in self.values.items() if value is not None]

    def text(self, key: str) -> str:
        value = self.values.get(key)
        require(isinstance(value, str), f"{self.place}: {key} must be a text, got {value!r}")
        return str(value)

    def number(self, key: str) -> float:
        value = self.values.get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        require(is_number, f"{self.place}: {key} must be a finite number, got {value!r}")
        return float(self.values[key])

    def numbers(self, key: str) -> dict[str, float]:
        record = self.record(key)
        return {name: record.number(name) for name in record.values}

    def optional_number(self, key: str) -> float | None:
        return None if self.values.get(key) is None else self.number(key)

    def interval(self, key: str) -> tuple[float, float]:
        value = self.values.get(key)
        require(isinstance(value, list) and len(value) == 2, f"{self.place}: {key} must be [low, high], got {value!r}")
        low, high = (Fields(self.place, {key: bound}).number(key) for bound in self.values[key])
        require(low <= high, f"{self.place}: {key} must be [low, high], got {value!r}")
        return low, high

    def record(self, key: str) -> Fields:
        value = self.values.get(key)
        require(isinstance(value, dict), f"{self.place}: {key} must be an object, got {value!r}")
        return Fields(f"{self.place}, {key}", self.values[key])
