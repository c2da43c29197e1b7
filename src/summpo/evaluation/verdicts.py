"""What a judge's answer decides: in lines, in a sentence behind its reason, or in JSON. What is not plain is none."""

from __future__ import annotations

import re

from summpo.synthesis.parsing.excuses import is_excuse
from summpo.synthesis.parsing.json_answers import objects_in
from summpo.synthesis.parsing.marks import usual
from summpo.synthesis.parsing.numbers import best_of, first_line, other_best_in
from summpo.synthesis.parsing.parts import Unreadable
from summpo.synthesis.parsing.readable import readable
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

TIE = 0.5
_MARKS = r"(?:[^\w\n]|_){0,40}+"
_BEGINNING = rf"(?:^{_MARKS}|[.!?;:)\]*\"'][ \t]+{_MARKS}|\b(?:so|thus|therefore|hence|actually)\b[,:]?[ \t*_]+)"
_LABEL = re.compile(
    _BEGINNING + r"(?:(?:the|my|final|overall|answer|verdict|conclusion)[ \t:*_]+){0,3}"
    r"(?:better|best|preferred|winning|winner|verdict)(?:[ _](?:summary|one|version|choice|option))?[\s*_`\"']*"
    r"(?:[:=]+|-+(?=[\s*_])|is\b)",
    re.IGNORECASE | re.MULTILINE,
)
"""What begins a line, or a sentence within one, that decides."""
_TAG = re.compile(r"</?\w{1,20}>")
_TIE = re.compile(
    r"[\W_]*(?:it(?:'s|\s+is)\s+)?(?:an?\s+)?(?:tied?|draw|neither|both|equal|none)\b(?:\s+(?:summary|summaries|one))?"
    r"(?:\s+(?:is|are)\b[^.\n]*)?(?=[\W_]*\Z|[\s*_`\"')\]]*[.,;:!(\[-])",
    re.IGNORECASE,
)


def read_verdict(answer: Answer) -> float | Rejected:
    """1 where the first summary is said to be better, 0 where the second is, 0.5 for a tie.

    An answer that is cut off or withheld decides nothing, whatever stands in it; neither does one whose deciding lines
    disagree.
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
    """All that an answer decides; both sides where it takes one back."""
    found, rest = set[float](), text
    for parts, start, end in reversed(list(objects_in(text))):
        decided = [part.text for part in parts if part.kind == "best"]
        if decided:
            found |= set().union(*map(decided_by, decided))
            rest = f"{rest[:start]}\n{rest[end:]}"
    rest = usual(_TAG.sub("\n", rest))
    labels = [*_LABEL.finditer(rest)]
    starts = [label.start() for label in labels] + [len(rest)]
    return found.union(*(decided_by(rest[one.end() : end]) for one, end in zip(labels, starts[1:], strict=True)))


def decided_by(content: str) -> set[float]:
    """What stands behind a label decides, with what is said behind it; nothing where it is not plainly a choice."""
    best = best_of(content)
    if best is None:
        return {TIE} if _TIE.match(first_line(content)) else set()
    return {1.0, 0.0} if other_best_in(content, best) else {1.0 if best == 1 else 0.0}
