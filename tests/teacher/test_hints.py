"""Which setting an endpoint's refusal is of."""

import pytest

from summpo.teacher.hints import with_hint


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            "400: Unsupported value: 'temperature' does not support 0.0 with this model.",
            "temperature=null leaves it out",
        ),
        ("400: `temperature` is deprecated for this model.", "temperature=null leaves it out"),
        (
            "400: Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'",
            "teacher.max_tokens_name=max_completion_tokens names it so",
        ),
        ("400: response_format json_schema is unavailable", "json_schema=false json_object=false ask for plain text"),
        ("400: Unrecognized request argument supplied: top_k", "teacher.extra_body is what requests say beside"),
    ],
)
def test_is_told(words: str, hint: str) -> None:
    assert with_hint(words) == f"{words} ({hint})"


def test_or_none() -> None:
    assert with_hint("403: inputs tokens + max_new_tokens must be <= 8193") == (
        "403: inputs tokens + max_new_tokens must be <= 8193"
    )
