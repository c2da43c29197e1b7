"""What a judge's answer decides: in lines, in a sentence behind its reason, or in JSON. What is not plain is none.

An answer decides where a label does ("Better: 1", a heading "Verdict", a key of JSON) and nothing in it says otherwise:
no other label, no sentence that the other one is better, nothing behind the verdict that takes it back.
"""

from __future__ import annotations

import re

from summpo.synthesis.parsing.choices import (
    best_of,
    is_called_tie,
    is_taken_back,
    is_tie,
    names_in,
    other_best_in,
    said_outright,
)
from summpo.synthesis.parsing.excuses import is_excuse
from summpo.synthesis.parsing.json_answers import objects_in
from summpo.synthesis.parsing.lines import without_tags
from summpo.synthesis.parsing.marks import usual
from summpo.synthesis.parsing.numbers import first_line
from summpo.synthesis.parsing.parts import Unreadable
from summpo.synthesis.parsing.readable import readable
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

TIE = 0.5
_MARKS = r"(?:[^\w\n]|_){0,40}+"
_BEGINNING = rf"(?:^{_MARKS}|[.!?;:)\]*\"'][ \t]+{_MARKS}|\b(?:so|thus|therefore|hence|actually)\b[,:]?[ \t*_]+)"
_LABEL = re.compile(
    _BEGINNING + r"(?:(?:the|my|final|overall|answer|verdict|conclusion)[ \t:*_,]+){0,3}"
    r"(?:better|best|preferred|winning|winner|verdict|answer|decision|choice|preference)"
    r"(?:[ _](?:summary|one|version|choice|option|answer))?[\s*_`\"']*"
    r"(?:[:=]+|[-=]{0,4}\u2192|-+(?=[\s*_])|is\b|(?<=\n)|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""What begins a line, or a sentence within one, that decides; a heading does too."""
_EXAMPLE = re.compile(r"\b(?:example|format|form|template|instance)s?[\s*_]*\Z", re.IGNORECASE)
_NEAR = 40
"""Characters before a label that tell whether it is an example."""
_TAG = re.compile(r"<(/?)\|?(\w{1,20})\|?>")


def read_verdict(answer: Answer) -> float | Rejected:
    """1 where the first summary is said to be better, 0 where the second is, 0.5 for a tie.

    An answer that is cut off or withheld decides nothing, whatever stands in it; neither does one that contradicts
    itself.
    """
    try:
        text = readable(answer)
        found = verdicts_in(text)
    except Unreadable as why:
        return Rejected(why.reason, answer.text if answer.text.strip() else why.detail)
    if not found:
        return Rejected("refusal" if is_excuse(usual(text)) else "no_verdict", answer.text)
    return found.pop() if len(found) == 1 else Rejected("contradicts_itself", answer.text)


def verdicts_in(text: str) -> set[float]:
    """All that an answer decides; more than one where it contradicts itself."""
    rest = usual(in_lines(text))
    labels = [
        one for one in _LABEL.finditer(rest) if not _EXAMPLE.search(rest[max(0, one.start() - _NEAR) : one.start()])
    ]
    starts = [label.start() for label in labels] + [len(rest)]
    contents = [rest[label.end() : end] for label, end in zip(labels, starts[1:], strict=True)]
    decided = [decided_by(content) for content in contents]
    found = set[float]().union(*decided)
    if not found or (contents[-1].strip() and not decided[-1]):
        return set()
    taken_back = {1.0, 0.0} if is_taken_back(contents[-1]) else set[float]()
    said = {value_of(best) for best in said_outright(usual(text))}
    return found | taken_back | (said if len(said) == 1 else set())  # more of them speak of one respect each


def in_lines(text: str) -> str:
    """An answer whose verdicts in JSON and in tags are lines as others are: {"better": 1} and <better>1</better>."""
    for parts, start, end in reversed(list(objects_in(text))):
        decided = [" ".join(part.text.split()) for part in parts if part.kind == "best"]
        if decided:
            text = "\n".join([text[:start], *(f"Better: {one}" for one in decided), text[end:]])
    return _TAG.sub(lambda tag: "\n" if tag[1] else f"\n{tag[2]}: ", without_tags(text))


def decided_by(content: str) -> set[float]:
    """What stands behind a label decides, with what is said behind it; nothing where it is not plainly a choice."""
    best = best_of(content)
    if best is None and not is_tie(content):
        return set()
    if best is None:  # a tie that leans to one
        named = set(names_in(first_line(content)))
        better = {one for one in (1, 2) if named == {one} or other_best_in(content, 3 - one)}
        return {TIE, *map(value_of, better)}
    others = {value_of(3 - best)} if other_best_in(content, best) else set[float]()
    return {value_of(best)} | others | ({TIE} if is_called_tie(content) else set())


def value_of(best: int | None) -> float:
    """What a choice is worth to the first summary; None for a tie."""
    return TIE if best is None else 1.0 if best == 1 else 0.0
