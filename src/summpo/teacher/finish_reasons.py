"""Why an answer ended, as endpoints name it: each of OpenAI's four reasons has other names elsewhere.

No list has them all (MAX_TOKENS, max_completion_tokens, maxTokens, model_length ...), so they are told by their words.
"""

from __future__ import annotations

import re
from typing import Literal

Ending = Literal["filtered", "refused", "cut", "failed", "whole"]
"""An endpoint's filter withheld the answer; the model will not answer; a limit on its tokens; a fault behind the
endpoint, so that there is no answer, whatever text came; the model ended by itself."""

_WORDS: tuple[tuple[Ending, str], ...] = (
    (
        "filtered",
        "filter|safety|unsafe|moderat|recitation|block|prohibited|spii|sensitive|guardrail|toxic|policy|flagged",
    ),
    ("filtered", "armor|language"),  # Google's model armor; a language that it does not write
    ("refused", "refus"),
    ("failed", "rate_limit|time_?(?:limit|out)|quota"),
    ("cut", "length|limit|max|context|incomplete|truncat|pause"),
    ("failed", "error|abort|cancel|fail|insufficient|malformed|overload|unavailable|interrupt|other"),
)
"""How words begin that say an ending; the first that is found counts."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def reason_of(said: str) -> str:
    """A reason without its dress: "max_tokens" for "FinishReason.MAX_TOKENS", "content_filter" for "contentFilter".

    "content_filter: RECITATION" is a content_filter.
    """
    name = said.partition(":")[0].rpartition(".")[2].strip()
    return re.sub(r"[\s-]+", "_", _CAMEL.sub("_", name).lower()).removeprefix("finish_reason_")


def ending_of(said: str) -> Ending:
    """What a reason comes to."""
    reason = reason_of(said)
    for ending, words in _WORDS:
        if re.search(rf"(?<![a-z])(?:{words})", reason):
            return ending
    return "whole"
