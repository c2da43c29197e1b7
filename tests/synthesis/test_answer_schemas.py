"""The shapes of answers: their JSON schemas to the letter, for a journal knows an answer by the question it answers."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

import summpo.synthesis
from summpo.synthesis.answer_schemas import (
    BetterAnswer,
    JudgedAnswer,
    SelfJudgedAnswer,
    Shape,
    WrittenAnswer,
    json_schema_of,
)
from summpo.teacher.records import Request

PROMPTS = Path(summpo.synthesis.__file__).parent / "prompts"
TEXT, NUMBER, BEST = '{"type": "string"}', '{"type": "number"}', '{"type": "string", "enum": ["1", "2"]}'


def schema(**properties: str) -> str:
    """The schema of an object with these properties, written out by hand."""
    held = ", ".join(f'"{name}": {each}' for name, each in properties.items())
    return (
        f'{{"type": "object", "properties": {{{held}}}, "required": {json.dumps(list(properties))}, '
        '"additionalProperties": false}'
    )


JUDGED = schema(text=TEXT, total_score=NUMBER, explanation=TEXT)
SCHEMAS = {
    SelfJudgedAnswer: schema(summary_1=JUDGED, summary_2=JUDGED, best_summary=BEST),
    WrittenAnswer: schema(summary_1=TEXT, summary_2=TEXT),
    JudgedAnswer: schema(
        explanation_1=TEXT, total_score_1=NUMBER, explanation_2=TEXT, total_score_2=NUMBER, best_summary=BEST
    ),
    BetterAnswer: schema(reason=TEXT, better='{"type": "string", "enum": ["1", "2", "tie"]}'),
}


@pytest.mark.parametrize("shape", SCHEMAS)
def test_to_the_letter(shape: type[Shape]) -> None:
    assert json_schema_of(shape) == SCHEMAS[shape]


def test_a_journal_knows_its_answers_again() -> None:
    """The key of a request with a schema, computed apart from what the schema was before it was a model's."""
    request = Request("d1", "ab", (("user", "?"),), 200, 0.0, json_schema=json_schema_of(BetterAnswer))
    said = {"task": "d1", "step": "ab", "messages": [["user", "?"]], "max_tokens": 200, "temperature": 0.0}
    said |= {"json_object": False, "json_schema": SCHEMAS[BetterAnswer]}
    assert request.key("m") == sha256(json.dumps(["m", said]).encode()).hexdigest()


@pytest.mark.parametrize(
    ("prompt", "shape"),
    [
        ("self_judged_json", SelfJudgedAnswer),
        ("two_step_write_json", WrittenAnswer),
        ("two_step_judge_json", JudgedAnswer),
        ("judge_json", BetterAnswer),
    ],
)
def test_the_prompt_shows_the_keys_of_the_schema_in_their_order(prompt: str, shape: type[Shape]) -> None:
    form = next(line for line in (PROMPTS / f"{prompt}.txt").read_text("utf-8").split("\n") if line.startswith('{"'))
    shown, properties = json.loads(form), json.loads(json_schema_of(shape))["properties"]
    assert list(shown) == list(properties)
    assert all(list(shown[key]) == list(each["properties"]) for key, each in properties.items() if "properties" in each)
