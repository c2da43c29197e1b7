"""What a data set of labelled summaries will teach: how many are good and bad, how long they are, what a w turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from summpo.inspection.statistics import quantiles
from summpo.inspection.table import aligned, plural
from summpo.margin_rewards.break_even import BreakEven
from summpo.text.rows import LabelledRow

SHOWN = ("p5", "p25", "p50", "p75", "p95")
NAMES = {"desirable": True, "undesirable": False}


@dataclass(frozen=True)
class LabelInspection:
    """Everything that `summpo inspect` says of a split of labelled rows."""

    dataset: str
    split: str
    rows: dict[str, int]
    """The rows that training would see by label, less those that the limits drop."""
    dropped: dict[str, int]
    """Number of rows dropped, by reason."""
    stops: str | None
    """Why training with these settings would stop at a row; None where it would not."""
    weights: dict[str, float]
    """What a row of each label weighs, as set or by the training rows."""
    documents: int
    both_labels: int
    """Documents with summaries of both labels."""
    contradicted: int
    """Summaries of one document that are labelled good in one row and bad in another."""
    lengths: dict[str, dict[str, float]]
    """Quantiles of the summaries' tokens, no EOS, by label."""
    margins: dict[str, dict[str, float]]
    """The mean of each margin reward by label, less that over the training rows, scaled and clipped."""
    break_even: dict[str, BreakEven]
    """The weight of each margin reward alone above which training raises it, below which it lowers it."""
    break_even_is_of_objective: bool
    """Whether it is this objective's own; else it is that of bco, a guide."""


def by_label(values: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The values of the good and of the bad rows."""
    return {name: values[labels == label] for name, label in NAMES.items()}


def lengths_by_label(tokens: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """Quantiles of how many tokens the summaries of each label have."""
    return {name: quantiles(values) for name, values in by_label(tokens, labels).items()}


def means_by_label(margins: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The mean over the rows of each label that has any."""
    return {name: float(values.mean()) for name, values in by_label(margins, labels).items() if len(values)}


def documents_of(rows: Sequence[LabelledRow]) -> tuple[int, int, int]:
    """How many documents there are, how many of them have both labels, and how many of their summaries do."""
    seen: dict[object, dict[str, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        seen[row.messages or row.document][row.summary].add(row.label)
    both = sum(len(set[bool]().union(*summaries.values())) > 1 for summaries in seen.values())
    return len(seen), both, sum(len(labels) > 1 for summaries in seen.values() for labels in summaries.values())


def lines(found: LabelInspection) -> list[str]:
    """The whole text, line by line."""
    total, dropped = sum(found.rows.values()), sum(found.dropped.values())
    head = f"{found.dataset}, {found.split}: {plural(total, 'row')} of {plural(found.documents, 'document')}"
    reasons = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in found.dropped.items())
    text = [head + (f"; dropped: {reasons}" if dropped else "")]
    if found.stops:
        text.append(f"Training with these settings stops: {found.stops}")
    heading = ["label", "rows", "share", "weight", "in all", *(f"tokens {q}" for q in SHOWN)]
    table = [heading]
    for name, count in found.rows.items():
        sizes = [f"{found.lengths[name].get(q, 0):,.0f}" for q in SHOWN]
        weight = found.weights[name]
        table.append([name, f"{count:,}", f"{count / total:.1%}", f"{weight:.3g}", f"{count * weight:,.4g}", *sizes])
    text += ["", *aligned(table), "", f"documents with both labels: {found.both_labels:,}"]
    text.append(f"summaries labelled both ways: {found.contradicted:,}")
    if found.break_even:
        text += ["", *aligned([["margin reward", "desirable", "undesirable", "break-even", "+-"], *_margins(found)])]
        whose = "" if found.break_even_is_of_objective else "; of bco, for this objective no more than a guide"
        text.append(
            f"means less that of all training rows; break-even: the weight above which training raises it{whose}"
        )
    return text


def _margins(found: LabelInspection) -> list[list[str]]:
    rows = []
    for name, at in found.break_even.items():
        means = [f"{found.margins[name][label]:+.3g}" if label in found.margins[name] else "-" for label in NAMES]
        if at.weight is None:
            weight, error = {"raised": "every w raises", "lowered": "every w lowers"}.get(at.without or "", "-"), "-"
        else:
            weight, error = f"{at.weight:.2g}", "-" if at.standard_error is None else f"{at.standard_error:.1g}"
        rows.append([name, *means, weight, error])
    return rows
