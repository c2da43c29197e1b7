"""What a run left behind, read and checked: summary.json, evaluation.json and samples.jsonl of its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from summpo.errors import require
from summpo.evaluation.json_fields import read_object
from summpo.evaluation.lead import lead_scores
from summpo.evaluation.sample_lines import Sample, read_samples
from summpo.evaluation.scores import METRICS, aggregate

QUALITIES = {
    "eval/rouge1": "ROUGE-1",
    "eval/rouge2": "ROUGE-2",
    "eval/rougeL": "ROUGE-L",
    "eval/rougeLsum": "ROUGE-Lsum",
}
"""The measures of quality that a front can be drawn for, with the names that readers know."""
LATER = ("eval/rougeLsum",)
"""Metrics that evaluations of earlier versions lack."""

LENGTH = "eval/length_tokens"
RECORDS = ("summary.json", "evaluation.json")
"""What a training run leaves, and an evaluation."""


@dataclass(frozen=True)
class RunResult:
    """One evaluated run, or a model that was evaluated as it is. Accuracies and rates are 0 to 1, times are seconds."""

    folder: Path
    objective: str | None
    """None for a model that was only evaluated."""
    w: float | None
    """The weight of the margin reward; None for a run that has none, such as SFT."""
    seed: int | None
    train_time_s: float | None
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
    lead: Mapping[str, float] = field(default_factory=dict)
    """What the documents' first words would have for quality, as many as each summary has; empty without samples."""
    text_measures: Mapping[str, Any] = field(default_factory=dict)
    """The rules for words, sentences and ROUGE; empty where an earlier version measured."""

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

    A run folder is one with a summary.json, or with the evaluation.json and samples.jsonl of a model that was only
    evaluated. Runs inside a run are not looked for.

    Raises:
        UserError: naming the folder that does not exist or holds no run.
    """
    return list(dict.fromkeys(run for folder in folders for run in _runs_below(folder)))


def read_runs(folders: Sequence[Path]) -> list[RunResult]:
    """Reads run folders that are reported on together: a w of 0 is one only in a sweep.

    Every objective but SFT takes margin rewards, with w = 0 where nobody asked for any. So w is None then, unless the
    objective is MODPO, or DPO beside it, which is MODPO at w = 0, or another of its runs has a w.

    Raises:
        UserError: as `read_run`.
    """
    runs = [read_run(folder) for folder in folders]
    weighed = {"modpo", *(run.objective for run in runs if run.w)}
    weighed |= {"dpo"} if any(run.objective == "modpo" for run in runs) else set()
    return [run if run.objective in weighed else replace(run, w=None) for run in runs]


def read_run(folder: Path) -> RunResult:
    """Reads one run folder.

    Raises:
        UserError: naming the file that is missing or malformed, and the key or line.
    """
    required = [name for name in METRICS if name not in LATER]
    training = _read_training(folder / "summary.json") if (folder / "summary.json").exists() else _Training()
    evaluation = read_object(folder / "evaluation.json", "`summpo evaluate` writes it")
    metrics, intervals = evaluation.record("metrics"), evaluation.record("intervals")
    samples = read_samples(folder / "samples.jsonl")
    leads = lead_scores(samples)
    return RunResult(
        folder=folder,
        objective=training.objective,
        w=training.w,
        seed=training.seed,
        train_time_s=training.wall_time_s,
        evaluation_time_s=evaluation.number("wall_time_s"),
        metrics={name: metrics.number(name) for name in dict.fromkeys((*required, *metrics.known()))},
        intervals={name: intervals.interval(name) for name in intervals.known()},
        documents=int(evaluation.number("documents")),
        dataset=evaluation.text("dataset"),
        split=evaluation.text("split"),
        preference_accuracy=evaluation.optional_number("preference_accuracy"),
        preference_accuracy_with_margin=evaluation.optional_number("preference_accuracy_with_margin"),
        validation_accuracy=training.accuracy,
        validation_accuracy_with_margin=training.accuracy_with_margin,
        generation=evaluation.record("generation").values,
        samples=samples,
        lead={name: value for name, value in aggregate(leads).items() if name in QUALITIES} if leads else {},
        bertscore=evaluation.record("bertscore").values if "bertscore" in evaluation.known() else {},
        text_measures=text_measures_of(evaluation.values),
    )


@dataclass(frozen=True)
class _Training:
    """What summary.json says of a run; of a model that was only evaluated, nothing."""

    objective: str | None = None
    w: float | None = None
    seed: int | None = None
    wall_time_s: float | None = None
    accuracy: float | None = None
    accuracy_with_margin: float | None = None


def _read_training(file: Path) -> _Training:
    summary = read_object(file, "a finished training run leaves it")
    status = summary.text("status")
    require(status == "done", f"{summary.place}: status must be done, got {status}: let the run finish first")
    objective, seed, metrics = summary.text("objective"), summary.optional_number("seed"), summary.record("metrics")
    return _Training(
        objective=objective,
        # SFT weighs nothing, whatever the configuration's w said.
        w=None if objective == "sft" else summary.optional_number("w"),
        seed=None if seed is None else int(seed),
        wall_time_s=summary.number("wall_time_s"),
        accuracy=metrics.optional_number("val/reward_accuracy"),
        accuracy_with_margin=metrics.optional_number("val/reward_accuracy_with_margin"),
    )


def in_order(results: Iterable[RunResult]) -> list[RunResult]:
    """Those without w first (models as they were, SFT, other baselines), then by w, seed and folder."""

    def place(run: RunResult) -> tuple[bool, bool, bool, float, int, str]:
        has_w = run.w is not None
        after_sft = not has_w and run.objective not in (None, "sft")
        return has_w, run.objective is not None, after_sft, run.w or 0.0, run.seed or 0, str(run.folder)

    return sorted(results, key=place)


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
    """What a picture calls each run: "w=0.1", the objective where there is no w, the name added where two agree.

    A model that was only evaluated goes by its name.
    """
    named = names(results)
    short = [
        (result.objective or name) if result.w is None else f"w={result.w:g}"
        for result, name in zip(results, named, strict=True)
    ]
    seen = Counter(short)
    return [
        label if seen[label] == 1 or label == name else f"{label} ({name})"
        for label, name in zip(short, named, strict=True)
    ]


def baselines(results: Sequence[RunResult]) -> list[bool]:
    """Which of the runs have no w beside some that have one."""
    is_sweep = any(result.w is not None for result in results)
    return [is_sweep and result.w is None for result in results]


def text_measures_of(evaluation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rules for words, sentences and ROUGE that evaluation.json states; none where an earlier version measured."""
    made_from = evaluation.get("made_from")
    return (made_from.get("text_measures") if isinstance(made_from, dict) else None) or {}


def qualities_of(results: Sequence[RunResult]) -> list[str]:
    """Those of `QUALITIES` that every run has."""
    return [name for name in QUALITIES if all(name in run.metrics for run in results)]


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
    if _is_run(folder):
        return [folder]
    runs: list[Path] = []
    for child in sorted({file.parent for name in RECORDS for file in folder.rglob(name)}):
        if _is_run(child) and not any(child.is_relative_to(run) for run in runs):
            runs.append(child)
    require(len(runs) > 0, f"{folder} holds no run: no {' or '.join(RECORDS)} in it or below it")
    return runs


def _is_run(folder: Path) -> bool:
    """A reward model's evaluation alone is none: it has no samples."""
    trained, evaluated = ((folder / name).is_file() for name in RECORDS)
    return trained or (evaluated and (folder / "samples.jsonl").is_file())
