"""A teacher's answers, read strictly: two summaries, their scores and the better one, or the reason why not.

What models vary is read: markup, labels, numbers, order, tables, JSON, words around. What is not said is not guessed:
an answer is taken only where each summary stands under a label of its own, each score is a number within its range, and
the summary that is called best is not the one with the lower score. The reasons are `REASONS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_args

from summpo.synthesis.parsing.excuses import is_excuse
from summpo.synthesis.parsing.gathering import BOTH, Gathered, gather
from summpo.synthesis.parsing.json_answers import parts_of_json
from summpo.synthesis.parsing.lines import parts_of_lines
from summpo.synthesis.parsing.marks import usual
from summpo.synthesis.parsing.parts import CRITERIA, REASONS, TOTAL, Kind, Part, Unreadable
from summpo.synthesis.parsing.readable import readable
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

__all__ = ["CRITERIA", "REASONS", "TOTAL", "Verdict", "Written", "read_judged", "read_verdict", "read_written"]

T = TypeVar("T")

ALL: tuple[Kind, ...] = get_args(Kind)

_KEY = re.compile(r'^[ \t{\[,]*+"[^"\n]{1,60}"\s*:', re.MULTILINE)


@dataclass(frozen=True)
class Written:
    """Two summaries, in the order in which they were written."""

    summaries: tuple[str, str]


@dataclass(frozen=True)
class Verdict:
    """What a judge says of two summaries, in the order in which they were shown."""

    scores: tuple[float, float]
    explanations: tuple[str, str]
    """Empty where none is given."""
    best: int
    """1 or 2: not the one with the lower score."""


def read_judged(answer: Answer) -> tuple[Written, Verdict] | Rejected:
    """Reads an answer that writes two summaries and judges them."""
    return _read(answer, ALL, True, lambda found: (_written(found), _verdict(found)))


def read_written(answer: Answer) -> Written | Rejected:
    """Reads an answer that writes two summaries; what it says of them besides is passed over."""
    return _read(answer, ("summary",), True, _written)


def read_verdict(answer: Answer) -> Verdict | Rejected:
    """Reads an answer that judges two summaries that it was shown."""
    return _read(answer, ALL, False, _verdict)


def _read(answer: Answer, kinds: Sequence[Kind], with_summaries: bool, read: Callable[[Gathered], T]) -> T | Rejected:
    try:
        text = readable(answer)
        parts = parts_of_json(text) or parts_of_lines(text)
        _require_parts(parts, text)
        return read(gather([part for part in parts if part.kind in kinds], with_summaries))
    except Unreadable as why:
        return Rejected(why.reason, why.detail)


def _require_parts(parts: list[Part], text: str) -> None:
    """Says of an answer without labels what it is instead."""
    if parts:
        return
    if is_excuse(usual(text)):
        raise Unreadable("refusal", " ".join(text.split())[:120])
    if _KEY.search(text):
        raise Unreadable("broken_json", "it has the keys of JSON and cannot be read as such")
    raise Unreadable("missing_part", f"no label was found; it begins {' '.join(text.split())[:60]!r}")


def _written(found: Gathered) -> Written:
    for number in BOTH:
        if number in found.labelled and number not in found.summaries:
            raise Unreadable("empty_summary", f"nothing stands under summary {number}")
        if number not in found.summaries:
            raise Unreadable("missing_part", f"summary {number}")
        if is_excuse(usual(found.summaries[number])):
            raise Unreadable("refusal", " ".join(found.summaries[number].split())[:120])
    return Written((found.summaries[1], found.summaries[2]))


def _verdict(found: Gathered) -> Verdict:
    scores = found.score(1), found.score(2)
    if found.best is None:
        raise Unreadable("missing_part", "which summary is best")
    if len(found.explained) == 1:  # or else it is a heading within the summary, which would then be cut there
        (number,) = found.explained
        raise Unreadable("missing_part", f"an explanation of summary {3 - number}, while the other has one")
    best, other = scores if found.best == 1 else reversed(scores)
    if best < other:
        raise Unreadable("best_contradicts_scores", f"summary {found.best} with {best:g}, the other with {other:g}")
    return Verdict(scores, (found.explanations.get(1, ""), found.explanations.get(2, "")), found.best)
