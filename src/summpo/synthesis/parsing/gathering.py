"""From labelled parts to what an answer says of the two summaries; contradictions within it end the reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from summpo.synthesis.parsing.choices import best_of, is_taken_back, other_best_in
from summpo.synthesis.parsing.excuses import points_elsewhere
from summpo.synthesis.parsing.marks import cleaned, usual
from summpo.synthesis.parsing.numbers import (
    Mark,
    first_line,
    mark_of,
    marks_within,
    sum_of,
    total_of,
)
from summpo.synthesis.parsing.parts import CRITERIA, TOTAL, Part, Unreadable

BOTH = (1, 2)
_PLACEHOLDER = re.compile(
    r"[\[<{(](?:the |your )?(?:first|second|1st|2nd|summary|insert|write|text)\b[^\[\]<>{}()\n]{0,200}[\]>})]",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(r"\bexplanation\b[\s*_]*[:\-][*_]*", re.IGNORECASE)
_SCORE_ALONE = re.compile(r"[\W_]*[0-9]+(?:\.[0-9]+)?[\s*_]*(?:/|out of\b|points\b|[-.,;:(|)]|\Z)", re.IGNORECASE)
_OF_SUMMARY = re.compile(r"\bsummary[\s#*_]*([12])\b[\s*_]*(?:\([^()\n]{0,40}\))?\s*[:=\-]*\s*", re.IGNORECASE)


@dataclass
class Gathered:
    """What an answer says, summary by summary."""

    summaries: dict[int, str] = field(default_factory=dict)
    totals: dict[int, float] = field(default_factory=dict)
    marks: dict[int, dict[str, float]] = field(default_factory=lambda: {n: {} for n in BOTH})
    explanations: dict[int, str] = field(default_factory=dict)
    explained: set[int] = field(default_factory=set)
    """The summaries whose explanation stands under a label."""
    best: int | None = None
    labelled: set[int] = field(default_factory=set)
    """The summaries that have a label, whether or not anything stands under it."""

    @property
    def whole(self) -> bool:
        """Whether both summaries, both scores and the best are there: what follows may repeat, not add."""
        has_scores = all(n in self.totals or len(self.marks[n]) == len(CRITERIA) for n in BOTH)
        return has_scores and self.best is not None and all(n in self.summaries for n in BOTH)

    def score(self, number: int) -> float:
        """The total of a summary, or the sum of its four marks where no total is given.

        Raises:
            Unreadable: there is neither, or they disagree.
        """
        marks, total = self.marks[number], self.totals.get(number)
        has_all = len(marks) == len(CRITERIA)
        if total is None and not marks:
            raise Unreadable("missing_part", f"the score of summary {number}")
        if marks and not has_all:
            lacks = ", ".join(name for name in CRITERIA if name not in marks)
            raise Unreadable("missing_part", f"of the marks of summary {number}: {lacks}")
        added = sum(marks.values())
        if total is not None and has_all and abs(total - added) > 1e-6:
            raise Unreadable("total_not_the_sum", f"summary {number}: {total:g}, of marks that add up to {added:g}")
        return added if total is None else total


def gather(parts: Sequence[Part], with_summaries: bool) -> Gathered:
    """Reads parts in their order; one without a number is about the summary that was named last.

    Args:
        with_summaries: whether the answer holds the summaries; else what stands under "Summary 1" is said of it.

    Raises:
        Unreadable: a part is there twice and not the same, is no number or out of its range, or there is a third.
    """
    found, about = Gathered(), None
    verdict: Part | None = None  # a heading below "Best summary" that stands for the best
    for place, part in enumerate(parts):
        if part.number is not None and part.number not in BOTH:
            raise Unreadable("unexpected_part", f"a summary {part.number}")
        if part.kind == "best":
            verdict = _take_best(found, part, parts[place + 1 : place + 2], with_summaries)
            about = None
            continue
        about = part.number or about
        if found.best is not None and part.kind not in ("score", "criterion"):
            _require_no_other_best(found.best, part)
        if part is verdict:
            continue
        if part.kind == "summary":
            _take_summary(found, part, with_summaries)
        elif part.kind in ("score", "criterion"):
            _take_score(found, part, about)
        elif part.kind in ("explanation", "aside") and about is not None and cleaned(part.text):
            _take_explanation(found, about, cleaned(part.text))
    return found


def _take_summary(found: Gathered, part: Part, with_summaries: bool) -> None:
    number, text = part.number, cleaned(part.text)
    if number is None:
        return
    found.labelled.add(number)
    if not text:
        return
    if not with_summaries:
        _take_remark(found, part, number)
    elif _PLACEHOLDER.fullmatch(text) or points_elsewhere(text) or not any(character.isalnum() for character in text):
        raise Unreadable("placeholder", f"summary {number} is {text[:80]}")
    elif found.whole and 2 * len(text) <= len(found.summaries[number]):  # a remark on it, behind the verdict
        return
    elif found.summaries.setdefault(number, text) != text:
        raise Unreadable("repeated_part", f"two texts for summary {number}")


def _take_remark(found: Gathered, part: Part, number: int) -> None:
    """What a judge says under "Summary 1": its score, or why."""
    if _SCORE_ALONE.match(first_line(usual(part.text))) or marks_within(usual(part.text)):
        _take_score(found, Part("score", number, part.text), number)
    else:
        found.explanations.setdefault(number, cleaned(part.text))


def _take_score(found: Gathered, part: Part, about: int | None) -> None:
    text = usual(part.text)
    first = first_line(text)
    scored = [(int(one[1]), first[one.end() :]) for one in _OF_SUMMARY.finditer(first)] if part.number is None else []
    if {number for number, _ in scored} == set(BOTH):  # Scores: Summary 1: 15, Summary 2: 12
        for number, rest in scored:
            _take_total(found, number, total_of(re.split(r"[,;]", rest, maxsplit=1)[0]), first)
        return
    if not first:  # Scores, above the marks
        return
    if about is None and found.whole:
        return
    if about is None:
        raise Unreadable("missing_part", f"the summary that the score {first.strip()[:80]} is about")
    if part.kind == "criterion":
        _take_mark(found, about, part.name, mark_of(text))
        return
    listed = marks_within(first)
    for name, mark in listed:
        _take_mark(found, about, name, mark)
    total = total_of(first)
    if total is not None or len(listed) < len(CRITERIA):
        _take_total(found, about, total, first)
    added = sum_of(first)
    if total is not None and added is not None and abs(total.value - added) > 1e-6:
        raise Unreadable("total_not_the_sum", f"summary {about}: {total.value:g}, of marks that add up to {added:g}")
    _take_remarks_of_score(found, about, part.text)


def _take_remarks_of_score(found: Gathered, about: int, text: str) -> None:
    """An explanation behind the score, on its line after the word, or on those below it."""
    first = first_line(text)
    before, _, below = text.partition(first)
    inline = _EXPLAINS.search(usual(first))
    rest = text[len(before) + inline.end() :] if inline else below
    if cleaned(rest):
        found.explanations.setdefault(about, cleaned(rest))


def _take_total(found: Gathered, number: int, mark: Mark | None, said: str) -> None:
    if mark is None:
        raise Unreadable("no_numbers", f"the score of summary {number} is {said.strip()[:80]}")
    low, high = TOTAL
    _require_range(mark, low, high, f"the total of summary {number}")
    if found.totals.setdefault(number, mark.value) != mark.value:
        raise Unreadable("repeated_part", f"two totals for summary {number}: {found.totals[number]:g}, {mark.value:g}")


def _take_mark(found: Gathered, number: int, name: str, mark: Mark | None) -> None:
    if mark is None:
        return
    low, high = CRITERIA[name]
    _require_range(mark, low, high, f"the {name} of summary {number}")
    if found.marks[number].setdefault(name, mark.value) != mark.value:
        raise Unreadable("repeated_part", f"two marks for the {name} of summary {number}")


def _require_range(mark: Mark, low: int, high: int, what: str) -> None:
    if not low <= mark.value <= high or (mark.most is not None and mark.most != high):
        out_of = "" if mark.most is None else f"/{mark.most:g}"
        raise Unreadable("score_out_of_range", f"{what} is {mark.value:g}{out_of}, not {low} to {high}")


def _take_explanation(found: Gathered, number: int, text: str) -> None:
    """A second explanation may be a heading within the summary, which would then be cut there."""
    found.explained.add(number)
    if found.explanations.setdefault(number, text) != text and not found.whole:
        raise Unreadable("repeated_part", f"two explanations for summary {number}")


def _take_best(found: Gathered, part: Part, following: Sequence[Part], with_summaries: bool) -> Part | None:
    """The best summary, on its line, the next, or named by a heading below: "Best summary", "Summary 2".

    Returns:
        That heading, where it is one.
    """
    text = usual(part.text)
    by_heading = not first_line(text)
    named = following[0].number if following and following[0].kind == "summary" else None
    if by_heading:
        if named is None or (with_summaries and named not in found.summaries):
            return None
        best: int | None = named
    else:
        best = best_of(text)
    if best is None:
        raise Unreadable("best_not_1_or_2", f"the best summary is {first_line(text).strip()[:80]}")
    if found.best not in (None, best):
        raise Unreadable("repeated_part", "both are said to be the best")
    found.best = best
    _require_no_other_best(best, part)
    return following[0] if by_heading else None


def _require_no_other_best(best: int, part: Part) -> None:
    """Guards against a verdict that is taken back behind it: "Actually, summary 2 is better"."""
    said = usual(part.text)
    if other_best_in(said, best) or (part.kind in ("best", "close") and is_taken_back(said)):
        raise Unreadable("repeated_part", "both are said to be the best")
