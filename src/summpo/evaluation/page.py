"""The front as one web page that needs nothing else: no network, no font, no script beside it.

Everything a run left (names, documents, summaries) reaches the page as JSON and is written by the script as text,
never as markup. Without scripts the page shows the picture, the sentences and the plain table.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from summpo.evaluation.results import LENGTH, RunResult, baselines, labels, names, qualities_of
from summpo.evaluation.sample_lines import Sample
from summpo.evaluation.table import COLUMNS, FOOTNOTE, TEXT_COLUMNS, table
from summpo.evaluation.tradeoffs import Comparison, notes
from summpo.text.words import count_words

SHOWN_DOCUMENTS = 24


def render(comparisons: Sequence[Comparison], png: bytes) -> str:
    """The page as HTML.

    Args:
        comparisons: the same runs under each measure of quality, the one to open with first.
        png: the picture for readers without scripts.
    """
    runs = [choice.result for choice in comparisons[0].choices]
    shown = (LENGTH, *qualities_of(runs))
    data = {
        "dataset": runs[0].dataset,
        "split": runs[0].split,
        "documents": runs[0].documents,
        "generation": {key: str(value) for key, value in runs[0].generation.items()},
        "length": LENGTH,
        "notes": notes(runs),
        "footnote": FOOTNOTE,
        "columns": [{"title": "name", "meaning": "folder of the run", "words": True}]
        + [{"title": c.title, "meaning": c.meaning, "words": c.title in TEXT_COLUMNS} for c in COLUMNS],
        "runs": [_run(*each, shown) for each in zip(runs, names(runs), labels(runs), baselines(runs), strict=True)],
        "views": [_view(comparison) for comparison in comparisons],
        "samples": _samples(runs),
    }
    # "<" as an escape, so that no text of a document can end the script element.
    as_json = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    still = "\n".join([*comparisons[0].lines, "", *notes(runs), "", table(runs)])
    page = files("summpo.evaluation").joinpath("page.html").read_text(encoding="utf-8")
    parts = {"picture": base64.b64encode(png).decode("ascii"), "still": escape(still), "data": as_json}
    # In one pass: a text of the data that looks like a placeholder stays what it is.
    return re.sub(r"\{\{(picture|still|data)\}\}", lambda found: parts[found[1]], page)


def _run(run: RunResult, name: str, label: str, is_baseline: bool, shown: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "folder": str(run.folder),
        "baseline": is_baseline,
        "metrics": {metric: run.metrics[metric] for metric in shown},
        "intervals": {metric: run.intervals.get(metric) for metric in shown},
        "cells": [{"text": name, "value": name}]
        + [{"text": column.text(run), "value": column.value(run)} for column in COLUMNS],
    }


def _view(comparison: Comparison) -> dict[str, Any]:
    return {
        "quality": comparison.quality,
        "name": comparison.quality_name,
        "base": comparison.base,
        "front": [choice.on_front for choice in comparison.choices],
        "sentences": [choice.sentence for choice in comparison.choices],
        "hypervolume": comparison.hypervolume_text,
    }


def _samples(runs: Sequence[RunResult]) -> dict[str, Any]:
    """Documents that every run with samples summarised, evenly spaced over all of them: none picked for its looks."""
    by_run = [{sample.id: sample for sample in run.samples} for run in runs]
    held = [samples for samples in by_run if samples]
    shared = [key for key in (held[0] if held else ()) if all(key in samples for samples in held)]
    count = min(SHOWN_DOCUMENTS, len(shared))
    shown = [shared[place * len(shared) // count] for place in range(count)]
    return {
        "of": len(shared),
        "documents": [
            {
                "id": key,
                "document": held[0][key].document,
                "words": count_words(held[0][key].document),
                "references": held[0][key].references,
                "reference_words": [count_words(text) for text in held[0][key].references],
                "summaries": [_summary(samples.get(key)) for samples in by_run],
            }
            for key in shown
        ],
    }


def _summary(sample: Sample | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    return {
        "text": sample.summary,
        "tokens": sample.length_tokens,
        "words": sample.length_words,
        "ended": sample.ended,
    }
