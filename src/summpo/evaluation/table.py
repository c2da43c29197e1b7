"""The table of runs: which columns, what they mean, how a value is written. One definition for terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from summpo.evaluation.bert_score import BERTSCORE_F1
from summpo.evaluation.results import RunResult, in_order, names

UNKNOWN = "-"
FOOTNOTE = "* at the end of training, on the run's own validation pairs: the evaluation had none"


@dataclass(frozen=True)
class Column:
    """One column: its heading, its meaning, the value to sort by (None where unknown) and the text to show."""

    title: str
    meaning: str
    value: Callable[[RunResult], float | str | None]
    text: Callable[[RunResult], str]


def _column(title: str, meaning: str, value: Callable[[RunResult], float | str | None], form: str) -> Column:
    def text(result: RunResult) -> str:
        known = value(result)
        return UNKNOWN if known is None else format(known, form)

    return Column(title, meaning, value, text)


def _metric(title: str, meaning: str, name: str, form: str) -> Column:
    return _column(title, meaning, lambda result: result.metrics.get(name), form)


def _accuracy(
    title: str,
    meaning: str,
    held_out: Callable[[RunResult], float | None],
    validation: Callable[[RunResult], float | None],
) -> Column:
    """The held-out accuracy, or the validation accuracy of the training run with the footnote's star."""

    def value(result: RunResult) -> float | None:
        known = held_out(result)
        return validation(result) if known is None else known

    def text(result: RunResult) -> str:
        known = value(result)
        return UNKNOWN if known is None else f"{known:.3f}" + "*" * (held_out(result) is None)

    return Column(title, meaning, value, text)


def duration(seconds: float) -> str:
    """ "42s", "6m 12s" or "2h 05m"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


COLUMNS = (
    _column("objective", "what the run trained on; none for a model as it was", lambda r: r.objective, "s"),
    _column("w", "weight of the margin reward; none for a baseline", lambda r: r.w, "g"),
    _metric("tokens", "mean length of a generated summary, tokens", "eval/length_tokens", ".1f"),
    _metric("words", "mean length of a generated summary, words", "eval/length_words", ".1f"),
    _metric("ROUGE-1", "mean F-measure, 0 to 1, best reference, stemmed", "eval/rouge1", ".3f"),
    _column(
        "lead",
        "ROUGE-1 of the document's first words, as many as each summary has: what a summary must beat",
        lambda r: r.lead.get("eval/rouge1"),
        ".3f",
    ),
    _metric("ROUGE-2", "mean F-measure, 0 to 1, best reference, stemmed", "eval/rouge2", ".3f"),
    _metric("ROUGE-L", "the same of the longest common sequence of words", "eval/rougeL", ".3f"),
    _metric("ROUGE-Lsum", "the same sentence by sentence, as for CNN/DailyMail", "eval/rougeLsum", ".3f"),
    _column(
        "BERTScore",
        "mean F1 against the best reference, texts cut at 512 tokens; evaluation.json says by which encoder",
        lambda r: r.metrics.get(BERTSCORE_F1),
        ".3f",
    ),
    _accuracy(
        "accuracy",
        "share of preference pairs that the policy's own implicit reward orders as the annotators did",
        lambda r: r.preference_accuracy,
        lambda r: r.validation_accuracy,
    ),
    _accuracy(
        "accuracy+margin",
        "the same with the weighed margin reward included",
        lambda r: r.preference_accuracy_with_margin,
        lambda r: r.validation_accuracy_with_margin,
    ),
    _metric("compression", "mean of document words / summary words", "eval/compression", ".1f"),
    _metric(
        "ended", "share of summaries that end by themselves, not at the limit on new tokens", "eval/ended_rate", ".0%"
    ),
    Column(
        "train time",
        "wall time of training; none for a model as it was",
        lambda r: r.train_time_s,
        lambda r: UNKNOWN if r.train_time_s is None else duration(r.train_time_s),
    ),
)

TEXT_COLUMNS = ("name", "objective")
"""Headings of the columns that are words and not numbers: set left, the others right."""


def table(results: Sequence[RunResult]) -> str:
    """The runs as an aligned plain-text table, baselines first, then by w."""
    runs = in_order(results)
    rows = [["name", *(column.title for column in COLUMNS)]]
    rows += [[name, *(column.text(run) for column in COLUMNS)] for name, run in zip(names(runs), runs, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligns = ["<" if title in TEXT_COLUMNS else ">" for title in rows[0]]
    lines = [
        "  ".join(f"{cell:{align}{width}}" for cell, align, width in zip(row, aligns, widths, strict=True)).rstrip()
        for row in [rows[0], ["-" * width for width in widths], *rows[1:]]
    ]
    starred = any(cell.endswith("*") for row in rows[1:] for cell in row[1:])
    return "\n".join(lines + [FOOTNOTE] * starred)
