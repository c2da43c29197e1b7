"""The JSON schemas of answers, for endpoints that hold a model to one: labels are keys then, in no language.

In the part of JSON schema that endpoints have in common: every property required and no other, choices as texts.
"""

from __future__ import annotations

import json
from typing import Any

TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def schema_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties, in this order."""
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def one_of(*choices: str) -> dict[str, Any]:
    """One of these texts."""
    return {"type": "string", "enum": list(choices)}


_JUDGED = schema_of(text=TEXT, total_score=NUMBER, explanation=TEXT)
SELF_JUDGED = json.dumps(schema_of(summary_1=_JUDGED, summary_2=_JUDGED, best_summary=one_of("1", "2")))
"""Of the prompt self_judged_json."""
WRITTEN = json.dumps(schema_of(summary_1=TEXT, summary_2=TEXT))
"""Of the prompt two_step_write_json."""
JUDGED = json.dumps(
    schema_of(
        explanation_1=TEXT,
        total_score_1=NUMBER,
        explanation_2=TEXT,
        total_score_2=NUMBER,
        best_summary=one_of("1", "2"),
    )
)
"""Of the prompt two_step_judge_json."""
BETTER = json.dumps(schema_of(reason=TEXT, better=one_of("1", "2", "tie")))
"""Of the prompt judge_json."""
