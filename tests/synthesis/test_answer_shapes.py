"""A table of answers in the shapes in which models give them: each is read as it was meant, or rejected for its reason."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from summpo.synthesis.parsing import REASONS, read_judged
from summpo.synthesis.records import Answer, Rejected

FIRST, SECOND = "The port closed in 1931 after the river silted up.", "Silt closed the port."
SHAPES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("answer_shapes.yaml").read_text("utf-8"))


def test_there_are_enough_of_both_and_of_every_reason() -> None:
    assert sum("rejected" not in shape for shape in SHAPES) >= 60
    assert set(REASONS) == {shape["rejected"] for shape in SHAPES if "rejected" in shape}
    assert max(Counter(shape["name"] for shape in SHAPES).values()) == 1


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
def test_is_read_as_it_was_meant(shape: dict[str, Any]) -> None:
    read = read_judged(Answer(shape["answer"], shape.get("finish_reason", "stop"), "teacher", 1, 1))
    if "rejected" in shape:
        assert isinstance(read, Rejected), read
        assert read.reason == shape["rejected"], read
        return
    assert not isinstance(read, Rejected), read
    written, verdict = read
    assert written.summaries == (shape.get("first", FIRST), shape.get("second", SECOND))
    assert verdict.scores == tuple(shape["scores"])
    assert verdict.best == shape["best"]
    if "explanations" in shape:
        assert verdict.explanations == tuple(shape["explanations"])
