"""The shapes of answers, for endpoints that hold a model to one: labels are keys then, in no language.

In the part of JSON schema that endpoints have in common: every property required and no other, choices as texts.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """An answer as one JSON object, with these keys and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JudgedSummary(Shape):
    """A summary and what its writer says of it."""

    text: str
    total_score: float
    explanation: str


class SelfJudgedAnswer(Shape):
    """What the prompt self_judged_json asks for."""

    summary_1: JudgedSummary
    summary_2: JudgedSummary
    best_summary: Literal["1", "2"]


class WrittenAnswer(Shape):
    """What the prompt two_step_write_json asks for."""

    summary_1: str
    summary_2: str


class JudgedAnswer(Shape):
    """What the prompt two_step_judge_json asks for."""

    explanation_1: str
    total_score_1: float
    explanation_2: str
    total_score_2: float
    best_summary: Literal["1", "2"]


class BetterAnswer(Shape):
    """What the prompt judge_json asks for."""

    reason: str
    better: Literal["1", "2", "tie"]


@cache
def json_schema_of(shape: type[Shape]) -> str:
    """The JSON schema of a shape, as JSON: objects written out where they stand, without titles and descriptions.

    It is part of the question that a journal knows an answer by: another spelling of it would be asked and paid anew.
    """
    whole = shape.model_json_schema()
    return json.dumps(_written_out(whole, whole.get("$defs", {})))


def _written_out(schema: dict[str, Any], objects: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = objects[schema["$ref"].rpartition("/")[2]]
    if schema["type"] != "object":
        return {name: schema[name] for name in ("type", "enum") if name in schema}
    properties = {name: _written_out(each, objects) for name, each in schema["properties"].items()}
    return {
        "type": "object", "properties": properties, "required": schema["required"], "additionalProperties": False,
    }  # fmt: skip
