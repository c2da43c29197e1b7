"""What an endpoint's refusal has to do with a setting: the words of either side of one thing."""

from __future__ import annotations

import re

_HINTS = (
    (r"temperature", "temperature=null leaves it out"),
    (r"max_completion_tokens", "teacher.max_tokens_name=max_completion_tokens names it so"),
    (r"max_tokens\W+(?:is|was)?\s*(?:required|missing)", "teacher.max_tokens_name=max_tokens names it so"),
    (r"json_schema|response_format", "json_schema=false json_object=false ask for plain text"),
    (r"reasoning_effort|chat_template_kwargs|extra (?:inputs|fields)|unrecogni[sz]ed request|unknown parameter",
     "teacher.extra_body is what requests say beside"),
)  # fmt: skip


def with_hint(words: str) -> str:
    """An endpoint's words and, where they are of a setting, which."""
    found = next((hint for pattern, hint in _HINTS if re.search(pattern, words, re.IGNORECASE)), None)
    return words if found is None else f"{words} ({found})"
