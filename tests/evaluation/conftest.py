"""Run folders made up for the tests: synthetic words, real scores."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from summpo.evaluation.scores import aggregate, intervals, score_summary

DOCUMENTS = 8


def _summary(place: int, kept: int) -> tuple[str, str, str]:
    """A synthetic document of 40 words, its reference of 10, and a summary that keeps `kept` words of it."""
    words = [f"word{place}x{n}" for n in range(40)]
    # Every third document's summary begins beside the reference, so that documents differ.
    start = 5 if place % 3 == 0 else 0
    return " ".join(words), " ".join(words[:10]), " ".join(words[start : start + kept])


@pytest.fixture
def write_run() -> Callable[..., Path]:
    """Writes a run folder as training and evaluation leave it. `summary` and `evaluation` replace keys of the files.

    One that is not `trained` is as evaluation alone leaves it.
    """

    def write(
        folder: Path,
        *,
        w: float | None = 0.0,
        objective: str = "modpo",
        kept: int = 10,
        documents: int = DOCUMENTS,
        samples: bool = True,
        ended: bool = True,
        trained: bool = True,
        summary: dict[str, Any] | None = None,
        evaluation: dict[str, Any] | None = None,
    ) -> Path:
        folder.mkdir(parents=True)
        scores, lines = [], []
        for place in range(documents):
            document, reference, text = _summary(place, kept)
            scores.append(score_summary(text, (reference,), document, 2 * kept, ended))
            lines.append(
                {
                    "id": f"d{place}",
                    "document": document,
                    "summary": text,
                    "references": [reference],
                    "length_tokens": 2 * kept,
                    "length_words": kept,
                    "ended": ended,
                }
            )
        run = {"status": "done", "objective": objective, "w": w, "seed": 0, "wall_time_s": 372.0, "metrics": {}}
        measured = {
            "metrics": aggregate(scores),
            "intervals": intervals(scores, resamples=100),
            "documents": documents,
            "dataset": "synthetic",
            "split": "test",
            "preference_accuracy": 0.625,
            "preference_accuracy_with_margin": None,
            "generation": {"strategy": "greedy"},
            "wall_time_s": 5.0,
        }
        if trained:
            (folder / "summary.json").write_text(json.dumps(run | (summary or {})))
        (folder / "evaluation.json").write_text(json.dumps(measured | (evaluation or {})))
        if samples:
            (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    return write
