"""The runs of a sweep set against each other: the front, its hypervolume, and in words what each run trades."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from summpo.errors import require, require_choice
from summpo.evaluation.bert_score import measured_alike
from summpo.evaluation.front import FrontPoint, dominates, hypervolume, pareto
from summpo.evaluation.lead import lead_scores
from summpo.evaluation.resampling import few_documents
from summpo.evaluation.results import (
    LENGTH,
    QUALITIES,
    RunResult,
    check_comparable,
    in_order,
    labels,
    qualities_of,
)
from summpo.evaluation.scores import SummaryScores, aggregate, difference_intervals, score_summary

ENOUGH_ENDED = 0.9

Differences = Mapping[str, Mapping[str, tuple[float, float]]]
"""95% intervals of each metric's difference from the base run, by the run's label; absent where they are unknown."""


@dataclass(frozen=True)
class Choice:
    """One run as a candidate to ship."""

    result: RunResult
    label: str
    on_front: bool
    sentence: str
    """What is traded against the base run, without the label in front."""


@dataclass(frozen=True)
class Comparison:
    """All runs under one measure of quality, in the order of `in_order`."""

    quality: str
    base: int
    """The place of the run that the others are set against: the lowest w, or the first run where none has a w."""
    choices: tuple[Choice, ...]
    hypervolume: float
    """Unit: tokens * quality."""
    reference_point: tuple[float, float]

    @property
    def quality_name(self) -> str:
        return QUALITIES[self.quality]

    @property
    def hypervolume_text(self) -> str:
        length, floor = self.reference_point
        return f"Hypervolume {self.hypervolume:.2f} tokens × {self.quality_name} up to ({length:g} tokens, {floor:g})"

    @property
    def lines(self) -> list[str]:
        """One line a run, those on the front first."""
        ranked = sorted(self.choices, key=lambda choice: not choice.on_front)
        return [f"{choice.label}: {choice.sentence}" for choice in ranked]


def default_reference_point(results: Sequence[RunResult]) -> tuple[float, float]:
    """(the next ten tokens above the longest run, 0): worse than every run, so that every front run counts."""
    return 10.0 * (math.floor(max(result.length for result in results) / 10) + 1), 0.0


def compare(
    results: Sequence[RunResult], quality: str = "eval/rouge1", reference_point: tuple[float, float] | None = None
) -> list[Comparison]:
    """Sets the runs against each other, once for each measure of quality, the one asked for first.

    Args:
        reference_point: (length in tokens, quality), see `hypervolume`; `default_reference_point` where None.

    Raises:
        UserError: where there is no run, the runs summarised different documents or the quality is unknown or a run
            lacks it.
    """
    require_choice("quality", quality, tuple(QUALITIES))
    check_comparable(results)
    runs = in_order(results)
    lacking = next((run.folder for run in runs if quality not in run.metrics), None)
    require(lacking is None, f"{lacking} was evaluated by an earlier version, without {quality}: evaluate it again")
    differences = paired_differences(runs)
    reference_point = reference_point or default_reference_point(runs)
    leads = [differences_from_lead(run) for run in runs]
    return [
        _compare(runs, each, reference_point, differences, leads)
        for each in dict.fromkeys((quality, *qualities_of(runs)))
    ]


def _compare(
    runs: Sequence[RunResult],
    quality: str,
    reference_point: tuple[float, float],
    differences: Differences,
    leads: Sequence[Mapping[str, tuple[float, float]]],
) -> Comparison:
    base, tags = _base(runs), labels(runs)
    points = [FrontPoint(run.w, run.length, run.metrics[quality]) for run in runs]
    choices = []
    for place, (run, tag, best) in enumerate(zip(runs, tags, pareto(points), strict=True)):
        beaten_by = [other for other, point in zip(tags, points, strict=True) if dominates(point, points[place])]
        against = _against(run, runs[base], tags[base], quality, differences.get(tag, {}))
        said = [_beaten(beaten_by), _as_base(run, quality) if place == base else against]
        said += [_against_lead(run, quality, leads[place]), _cut_short(run)]
        choices.append(Choice(run, tag, best, " ".join(filter(None, said))))
    return Comparison(quality, base, tuple(choices), hypervolume(points, reference_point), reference_point)


def paired_differences(results: Sequence[RunResult], seed: int = 0) -> Differences:
    """Bootstrap intervals of every run's difference from the base run, over the documents that both summarised.

    Scores the samples again, and leaves a run out where its samples or the base's are not the ones that were
    evaluated: an interval of other summaries would not be the interval of the difference shown.
    """
    runs = in_order(results)
    base = _base(runs)
    base_scores = _evaluated(runs[base])
    found = {}
    for place, (run, tag) in enumerate(zip(runs, labels(runs), strict=True)):
        scores = _evaluated(run) if base_scores and place != base else {}
        if scores and scores.keys() == base_scores.keys():
            found[tag] = difference_intervals([scores[key] for key in base_scores], list(base_scores.values()), seed)
    return found


def differences_from_lead(run: RunResult, seed: int = 0) -> Mapping[str, tuple[float, float]]:
    """Bootstrap intervals of each metric's difference from the documents' first words, as many as each summary has.

    Empty where they are unknown, as in `paired_differences`.
    """
    scores, leads = _evaluated(run), lead_scores(run.samples)
    return difference_intervals(list(scores.values()), leads, seed) if scores and len(leads) == len(scores) else {}


def notes(results: Sequence[RunResult]) -> list[str]:
    """What a reader should know before trusting the comparison, one sentence each; none where nothing is odd."""
    first = results[0]
    said = few_documents(first.documents)
    odd = [tag for run, tag in zip(results, labels(results), strict=True) if run.generation != first.generation]
    if odd:
        said.append(f"Generation settings differ from those of {labels(results)[0]} in: {', '.join(odd)}.")
    was_trained = any(run.objective is not None for run in results)
    if was_trained and len({run.seed for run in results if run.w is not None}) <= 1:
        said.append("One training seed: the intervals cover the choice of documents, not the luck of a training run.")
    if any(run.text_measures != first.text_measures for run in results):
        said.append("Words and ROUGE were counted by different rules: evaluate these runs again to compare them.")
    return said + bertscore_notes(results)


def bertscore_notes(results: Sequence[RunResult]) -> list[str]:
    """What BERTScore was measured by where that is not as published, and that runs measured it differently."""
    measured = [run for run in results if run.bertscore]
    said = [f"{caveat}." for caveat in dict.fromkeys(run.bertscore.get("caveat") for run in measured) if caveat]
    if any(not measured_alike(run.bertscore, measured[0].bertscore) for run in measured):
        said.append("BERTScore was measured in different ways: do not compare it between these runs.")
    return said


def _base(runs: Sequence[RunResult]) -> int:
    return next((place for place, run in enumerate(runs) if run.w is not None), 0)


def _evaluated(run: RunResult) -> dict[str, SummaryScores]:
    """The scores of the samples by document; empty where they do not cover it all or do not give the run's metrics."""
    if len(run.samples) != run.documents or not all(sample.references for sample in run.samples):
        return {}
    scores = {s.id: score_summary(s.summary, s.references, s.document, s.length_tokens, s.ended) for s in run.samples}
    means = aggregate(list(scores.values()))
    same = all(
        math.isclose(means[metric], run.metrics[metric], abs_tol=1e-3) for metric in (LENGTH, *qualities_of([run]))
    )
    return scores if same and len(scores) == run.documents else {}


def _as_base(run: RunResult, quality: str) -> str:
    value = f"{QUALITIES[quality]} {run.metrics[quality]:.3f} {run.interval_text(quality)}".rstrip()
    return f"the run that the others are set against: {run.length:.1f} tokens, {value}."


def _against(
    run: RunResult, base: RunResult, base_tag: str, quality: str, intervals: Mapping[str, tuple[float, float]]
) -> str:
    change = run.metrics[quality] - base.metrics[quality]
    lengths = f"{_change_of_length(run.length, base.length)} {base_tag}"
    tokens = f"({base.length:.1f} to {run.length:.1f} tokens)"
    gain = f"{QUALITIES[quality]} {change:+.3f}"
    if quality not in intervals:
        return f"{lengths} {tokens}, {gain} (interval unknown: it needs the samples of both runs on all documents)."
    low, high = intervals[quality]
    unsure = ", within noise" if intervals[LENGTH][0] <= 0 <= intervals[LENGTH][1] else ""
    verdict = _verdict(low, high, QUALITIES[quality])
    return f"{lengths}{unsure} {tokens}, {gain} [{low:+.3f}, {high:+.3f}]: {verdict}."


def _against_lead(run: RunResult, quality: str, intervals: Mapping[str, tuple[float, float]]) -> str:
    if quality not in intervals:
        return ""
    (low, high), change = intervals[quality], run.metrics[quality] - run.lead[quality]
    verdict = "beats" if low > 0 else "is beaten by" if high < 0 else "is not told apart from"
    name = f"{QUALITIES[quality]} {run.lead[quality]:.3f}"
    return f"It {verdict} the documents' first words, as many ({name}, {change:+.3f} [{low:+.3f}, {high:+.3f}])."


def _change_of_length(length: float, base: float) -> str:
    if abs(length - base) <= 0.005 * base:
        return "as long as"
    share = f"{abs(length - base) / base:.0%} " if base > 0 else ""
    return f"{share}{'longer' if length > base else 'shorter'} than"


def _verdict(low: float, high: float, name: str) -> str:
    if high < 0:
        return f"a clear loss of {name}"
    if low > 0:
        return f"a clear gain of {name}"
    return f"no clear change of {name}"


def _beaten(by: Sequence[str]) -> str:
    return f"not on the front, {by[0]} is at least as short and at least as good;" if by else ""


def _cut_short(run: RunResult) -> str:
    ended = run.metrics["eval/ended_rate"]
    if ended >= ENOUGH_ENDED:
        return ""
    return f"Only {ended:.0%} of its summaries end by themselves: the limit on new tokens sets part of this length."
