"""The text of an answer that can be read at all: whole, not withheld, without what was thought aloud before it.

One reader for all who ask, whatever they read out of the text then: a draft in a thought is no answer.
"""

from __future__ import annotations

from summpo.synthesis.parsing.marks import plain
from summpo.synthesis.parsing.parts import Unreadable
from summpo.teacher.finish_reasons import ending_of, reason_of
from summpo.teacher.records import Answer
from summpo.text.thoughts import Said, without_thoughts


def readable(answer: Answer) -> str:
    """The answer without its thoughts, line ends of one kind.

    Raises:
        Unreadable: content_filter, refusal, truncated or empty_answer.
    """
    ending = ending_of(answer.finish_reason)
    if ending == "filtered":
        raise Unreadable("content_filter", f"the endpoint withheld it: {reason_of(answer.finish_reason)}")
    if ending == "refused":
        raise Unreadable("refusal", " ".join(answer.text.split())[:120] or "the model refuses, and does not say why")
    said = without_thoughts(plain(answer.text))
    is_empty = not said.text.strip()
    if ending == "cut" or (said.cut and not is_empty):
        where = ", within its thoughts" if said.cut or (is_empty and answer.thoughts) else ""
        raise Unreadable("truncated", f"cut off after {answer.completion_tokens} tokens{where}")
    if is_empty:
        raise Unreadable("empty_answer", why_empty(answer, said))
    return said.text


def why_empty(answer: Answer, said: Said) -> str:
    """What an answer without a text has instead."""
    if answer.thoughts:
        end = answer.thoughts.strip()[-80:]
        return f"no text: all of it stands in thoughts beside it (reasoning_content or its like), which end {end!r}"
    thought = "an unfinished thought" if said.cut else "what was thought aloud" if said.thoughts else ""
    return f"no text but {thought}" if thought else "no text"
