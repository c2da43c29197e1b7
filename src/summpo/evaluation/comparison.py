"""Two evaluations set against each other, document by document: what differs, and how likely chance alone does it.

Reads evaluation.json and samples.jsonl alone, so that a model that was only evaluated compares with one that a run
trained. Knows no front and no w: `tradeoffs` sets the runs of a sweep against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from summpo.errors import require
from summpo.evaluation.bert_score import measured_alike
from summpo.evaluation.json_fields import read_object
from summpo.evaluation.resampling import few_documents, mean_intervals, sign_flip_p_values
from summpo.evaluation.results import text_measures_of
from summpo.evaluation.sample_lines import Sample, read_samples
from summpo.evaluation.scores import METRICS, TEXT_MEASURES, score_summary
from summpo.margin_rewards.margins import SCALING

METHOD = (
    "difference: mean of the second less that of the first, over the documents that both have",
    "interval: 95%, paired bootstrap over documents",
    "p: two-sided paired permutation test, not corrected for the number of metrics",
)
_BERTSCORE = "eval/bertscore"
_MARGIN = "eval/margin/"


@dataclass(frozen=True)
class Evaluation:
    """What `summpo evaluate` left in a folder."""

    folder: Path
    record: Mapping[str, Any]
    """evaluation.json."""
    samples: Mapping[str, Sample]
    """The samples by document id."""


@dataclass(frozen=True)
class Difference:
    """One metric of two evaluations on the same documents."""

    metric: str
    first: float
    """The mean over the shared documents."""
    second: float
    difference: float
    """second - first."""
    low: float
    """Lower end of the 95% interval of the difference."""
    high: float
    p: float


@dataclass(frozen=True)
class PairedComparison:
    """The second evaluation against the first."""

    first: str
    second: str
    documents: int
    """Documents that both have."""
    first_documents: int
    second_documents: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    """What is left out and what to know before trusting the rest, a sentence each."""


def read_evaluation(folder: Path) -> Evaluation:
    """Reads one evaluated folder.

    Raises:
        UserError: naming the file that is missing, malformed or not whole.
    """
    record = read_object(folder / "evaluation.json", "`summpo evaluate` writes it")
    record.record("metrics")
    samples = read_samples(folder / "samples.jsonl")
    by_id = {sample.id: sample for sample in samples}
    known = int(record.number("documents"))
    require(
        len(by_id) == len(samples) == known,
        f"{folder / 'samples.jsonl'} holds {len(samples)} summaries of {len(by_id)} documents, and evaluation.json "
        f"beside it measured {known}: evaluate it again",
    )
    return Evaluation(folder, record.values, by_id)


def common_documents(first: Evaluation, second: Evaluation) -> list[str]:
    """The ids of the documents that both have, in the order of the first.

    Raises:
        UserError: there is none, or one of them has another text or other references in the two.
    """
    shared = [key for key in first.samples if key in second.samples]
    require(bool(shared), f"{first.folder} and {second.folder} have no document in common")
    for key in shared:
        one, other = first.samples[key], second.samples[key]
        for what, differs in (
            ("another text", one.document != other.document),
            ("other references", sorted(one.references) != sorted(other.references)),
        ):
            require(not differs, f"{first.folder} and {second.folder} are not comparable: {key} has {what} in the two")
    return shared


def compare_pair(first: Evaluation, second: Evaluation, names: tuple[str, str]) -> PairedComparison:
    """Every metric that both evaluations measured alike, over the documents that both have.

    Args:
        names: what to call the two.

    Raises:
        UserError: as `common_documents`.
    """
    shared = common_documents(first, second)
    again = [_counted_otherwise(one, other) for one, other in ((first, second), (second, first))]
    scores = [
        [_scores(side.samples[key], anew) for key in shared] for side, anew in zip((first, second), again, strict=True)
    ]
    metrics, notes = _measured_alike(first, second, names, scores)
    columns = [np.array([[row[metric] for metric in metrics] for row in side]) for side in scores]
    means = [side.mean(axis=0).tolist() for side in columns]
    change = columns[1] - columns[0]
    bounds, p_values = mean_intervals(change), sign_flip_p_values(change)
    notes += [
        f"{name} was evaluated with other rules for words: its words, compression and ROUGE were counted "
        "again, its margin rewards were not."
        for name, anew in zip(names, again, strict=True)
        if anew
    ]
    notes += few_documents(len(shared))
    if first.record.get("generation") != second.record.get("generation"):
        notes.append("The two were generated with different settings (generation in evaluation.json).")
    return PairedComparison(
        *names,
        len(shared),
        len(first.samples),
        len(second.samples),
        tuple(
            Difference(metric, a, b, b - a, low, high, p)
            for metric, a, b, (low, high), p in zip(metrics, *means, bounds, p_values, strict=True)
        ),
        tuple(notes),
    )


def comparison_table(comparison: PairedComparison) -> str:
    """The comparison as plain text: a line of what is compared, a line a metric, the notes."""
    first, second = comparison.first, comparison.second
    rows = [["metric", first, second, "difference", "95% interval", "p"]]
    for one in comparison.differences:
        form = ".1f" if max(abs(one.first), abs(one.second)) >= 10 else ".3f"
        bounds = f"[{one.low:+{form}}, {one.high:+{form}}]"
        rows.append(
            [
                one.metric,
                f"{one.first:{form}}",
                f"{one.second:{form}}",
                f"{one.difference:+{form}}",
                bounds,
                f"{one.p:.4f}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:{'>' if place else '<'}{widths[place]}}" for place, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    counts = f"{first} has {comparison.first_documents}, {second} has {comparison.second_documents}"
    head = f"{second} against {first}: {comparison.documents} documents that both have ({counts})"
    return "\n".join([head, *lines, *comparison.notes])


def _counted_otherwise(evaluation: Evaluation, other: Evaluation) -> bool:
    """Whether an evaluation followed other rules for words, sentences and ROUGE than this version and the other one."""
    return text_measures_of(evaluation.record) not in (text_measures_of(other.record), TEXT_MEASURES)


def _scores(sample: Sample, anew: bool) -> Mapping[str, float]:
    """Every metric's value; what the text alone gives is counted anew where asked for, or where none is there."""
    if sample.scores and not (anew and sample.references):
        return sample.scores
    scores = score_summary(sample.summary, sample.references, sample.document, sample.length_tokens, sample.ended)
    return {**sample.scores, **dict(zip(METRICS, map(float, astuple(scores)), strict=True))}


def _measured_alike(
    first: Evaluation, second: Evaluation, names: tuple[str, str], scores: Sequence[Sequence[Mapping[str, float]]]
) -> tuple[list[str], list[str]]:
    """The metrics that all documents of both have and that mean the same in both, and why others are left out."""
    has = [[metric for metric in side[0] if all(metric in row for row in side)] for side in scores]
    metrics, why = [], {}
    for metric in dict.fromkeys(has[0] + has[1]):
        what = "BERTScore" if metric.startswith(_BERTSCORE) else metric
        if metric not in has[0] or metric not in has[1]:
            why[what] = f"{what} is left out: only {names[metric not in has[0]]} has it."
        elif not _same_settings(first.record, second.record, metric):
            why[what] = f"{what} is left out: the two measured it with different settings (evaluation.json says which)."
        else:
            metrics.append(metric)
    return metrics, list(why.values())


def _same_settings(first: Mapping[str, Any], second: Mapping[str, Any], metric: str) -> bool:
    """Whether two evaluations measured a metric alike, by their evaluation.json."""
    if metric.startswith(_BERTSCORE):
        return measured_alike(first.get("bertscore") or {}, second.get("bertscore") or {})
    if metric.startswith(_MARGIN):
        name = metric.removeprefix(_MARGIN)
        one, other = (_margin_settings(record, name) for record in (first, second))
        return one == other
    return True


def _margin_settings(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a margin reward's value depends on: not its weight and scaling, nor how many texts go in a batch."""
    reward = ((record.get("config") or {}).get("margin_reward") or {}).get(name) or {}
    return {key: value for key, value in reward.items() if key not in (*SCALING, "batch_size")}
