"""A table of answers in the shapes in which models give them: each is read as it was meant, or rejected for its reason."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from summpo.synthesis.answers import REASONS, read_judged
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

FIRST, SECOND = "The port closed in 1931 after the river silted up.", "Silt closed the port."
SHAPES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("answer_shapes.yaml").read_text("utf-8"))


def test_there_are_enough_of_both_and_of_every_reason() -> None:
    assert sum("rejected" not in shape and "or_rejected" not in shape for shape in SHAPES) >= 70
    assert set(REASONS) == {shape["rejected"] for shape in SHAPES if "rejected" in shape}
    assert max(Counter(shape["name"] for shape in SHAPES).values()) == 1


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
def test_is_read_as_it_was_meant(shape: dict[str, Any]) -> None:
    read = read_judged(Answer(shape["answer"], shape.get("finish_reason", "stop"), "teacher", 1, 1))
    if "rejected" in shape:
        assert isinstance(read, Rejected), read
        assert read.reason == shape["rejected"], read
        return
    if "or_rejected" in shape and isinstance(read, Rejected):
        assert read.detail
        return
    assert not isinstance(read, Rejected), read
    written, verdict = read
    assert written.summaries == (shape.get("first", FIRST), shape.get("second", SECOND))
    assert verdict.scores == tuple(shape["scores"])
    assert verdict.best == shape["best"]
    if "explanations" in shape:
        assert verdict.explanations == tuple(shape["explanations"])


@pytest.mark.parametrize(
    "excuse",
    [
        "As a large language model, I do not read documents.",
        "As an AI, I have no opinion on this.",
        "However, I cannot produce a second one.",
        "I'm sorry, but I can't help with that.",
        "Unfortunately, I am not able to summarize this.",
        "The document cannot be summarized.",
        "Please provide the full document.",
        "Could you share the text that you want summarized?",
        "I must decline.",
        "I'd rather not.",
        "I won't write about this.",
        "It is not possible for me to summarise a text of this kind.",
        "No document was provided.",
    ],
)
def test_an_excuse_in_the_place_of_a_summary(excuse: str) -> None:
    text = f"Summary 1: {FIRST}\nTotal score: 16\nSummary 2: {excuse}\nTotal score: 12\nBest summary: 1"
    read = read_judged(Answer(text, "stop", "teacher", 1, 1))
    assert isinstance(read, Rejected) and read.reason == "refusal", read
    alone = read_judged(Answer(excuse, "stop", "teacher", 1, 1))
    assert isinstance(alone, Rejected) and alone.reason == "refusal", alone


@pytest.mark.parametrize(
    "summary",
    [
        "Unfortunately for the council, the vote was lost.",
        "The bridge cannot be repaired, the engineers say.",
        "We will not sell the port, said the mayor.",
        "Sorry sights met the crew: the river had silted up.",
        "The AI model cannot yet read handwriting, the study finds.",
        "Please do not feed the ducks, says the new sign in the park.",
    ],
)
def test_what_is_no_excuse(summary: str) -> None:
    text = f"Summary 1: {FIRST}\nTotal score: 16\nSummary 2: {summary}\nTotal score: 12\nBest summary: 1"
    read = read_judged(Answer(text, "stop", "teacher", 1, 1))
    assert not isinstance(read, Rejected) and read[0].summaries[1] == summary, read
