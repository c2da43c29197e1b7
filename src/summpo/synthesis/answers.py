"""A teacher's answers, read strictly: two summaries, their scores and the better one, or the reason why not.

JSON, alone or amid prose, and the labelled lines that our prompts ask for. What is not said is not guessed: an answer
is taken only where each summary stands under a label of its own, each score is a number within its range, the summary
that is called best is not the one with the lower score, and nothing behind that takes it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from unicodedata import normalize

from summpo.synthesis.answer_parts import REASONS, Part, Unreadable, parts_in, text_of
from summpo.synthesis.choices import TIE, choice_in, doubts, said_outright, stands
from summpo.synthesis.summary_texts import is_excuse, require_no_label, summary_in, without_edges
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

__all__ = ["CRITERIA", "REASONS", "TOTAL", "Verdict", "Written", "read_judged", "read_verdict", "read_written"]

T = TypeVar("T")
Found = dict[tuple[str, int | None], Any]
"""What an answer says: the text, the total, a mark, the explanation ... of a summary by its number; and the best."""

CRITERIA = MappingProxyType({"coherence": (1, 5), "consistency": (1, 5), "relevance": (1, 5), "fluency": (1, 3)})
"""What a summary is judged by, with the lowest and the highest mark."""
TOTAL = (4, 18)
"""The lowest and the highest sum of the marks."""
BOTH = (1, 2)
_NUMBER = r"[0-9]{1,3}(?:\.[0-9]{1,2})?"
_OUT_OF = r"(?:/|out\s+of(?:\s+a\s+(?:possible|total|maximum)(?:\s+of)?)?|of\s)[\s*_`]*"
_SCORE = re.compile(
    rf"[\s*_`\"'(\[]*(?P<value>-?{_NUMBER})(?:[\s*_`]*(?:points\s+)?{_OUT_OF}(?P<most>{_NUMBER}))?(?![^\W_]|\s*%)",
    re.IGNORECASE,
)
_MARK_RANGE = re.compile(_OUT_OF + r"[35]\b", re.IGNORECASE)
_NAME_OF_REMARK = re.compile(r"\A[\s.|,;*_]*(?:explanation\W+)?", re.IGNORECASE)


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
    return _read(answer, True, lambda found: (_written(found), _verdict(found)))


def read_written(answer: Answer) -> Written | Rejected:
    """Reads an answer that writes two summaries; totals and a best that it gives besides are passed over."""
    return _read(answer, True, _written, is_judged=False)


def read_verdict(answer: Answer) -> Verdict | Rejected:
    """Reads an answer that judges two summaries that it was shown."""
    return _read(answer, False, _verdict)


def _read(answer: Answer, with_summaries: bool, read: Callable[[Found], T], *, is_judged: bool = True) -> T | Rejected:
    try:
        text = text_of(answer)
        parts = parts_in(text)
        if all(part.kind == "aside" for part in parts):
            said = " ".join(text.split())
            if is_excuse(said):
                raise Unreadable("refusal", said[:120])
            raise Unreadable("missing_part", f"no label was found; it begins {said[:60]!r}")
        found = _gathered(parts if is_judged else _summaries_of(parts), with_summaries)
        best = found.get(("best", None))
        if best is not None and said_outright(text) - {best}:
            raise Unreadable("repeated_part", "a sentence says that the other summary is the better one, or neither")
        return read(found)
    except Unreadable as why:
        return Rejected(why.reason, why.detail)


def _summaries_of(parts: list[Part]) -> list[Part]:
    """The summaries alone. At a label that nothing has asked for, one of them may have been cut.

    Raises:
        Unreadable: there is one, other than a total score and the best summary.
    """
    passed_over = re.compile(r"total[ _]score|best[ _]summary", re.IGNORECASE)
    for part in parts:
        if part.kind not in ("summary", "aside") and not passed_over.search(part.label):
            raise Unreadable("unexpected_part", f"besides the summaries stands {part.label.strip()[:80]!r}")
        if part.kind != "summary":
            require_no_label(without_edges(part.text))
    return [part for part in parts if part.kind == "summary"]


def _gathered(parts: list[Part], with_summaries: bool) -> Found:
    """Reads parts in their order; one without a number is about the summary that was named last.

    Args:
        with_summaries: whether the answer holds the summaries; else what stands under "Summary 1" is said of it.

    Raises:
        Unreadable: a part is there twice and not the same, is no number or out of its range, or there is a third.
    """
    found: Found = {}
    about = None
    for part in parts:
        if part.number not in (None, *BOTH):
            raise Unreadable("unexpected_part", f"a summary {part.number}")
        about = None if part.kind == "best" else part.number or about
        text = without_edges(part.text)
        if part.kind == "summary":
            found["label", about] = True
        if part.kind == "aside":
            require_no_label(text)
        if part.kind == "aside" and ("best", None) in found:
            _require_stands(found["best", None], f"{part.label} {text}")
        if not text or part.kind == "aside":
            continue
        if part.kind == "summary" and about is not None:
            said = [("text", summary_in(part.text, about))] if with_summaries else [("remark", text)]
        elif part.kind == "best":
            said = [("best", _best(part.text))]
        elif part.kind == "explanation":
            require_no_label(text)
            said = [] if about is None else [("explanation", text)]
            if about is None and ("best", None) in found:
                _require_stands(found["best", None], text)
        elif part.number is None and ("score", about) in found and part.kind == "score":
            raise Unreadable("repeated_part", f"two totals for summary {about}")  # one may be a line of the summary
        elif about is None:
            raise Unreadable("missing_part", f"the summary that the score {text[:80]} is about")
        else:
            said = _score(text, about) if part.kind == "score" else _mark(part, about)
        for name, value in said:
            if found.setdefault((name, about), value) != value and name != "remark":
                raise Unreadable("repeated_part", f"two values for the {name}{f' of summary {about}' if about else ''}")
    return found


def _score(text: str, about: int) -> Iterator[tuple[str, Any]]:
    """A total: "16", "16/18", "16 (5 + 5 + 4 + 2)", "5 + 5 + 4 + 2 = 16"; and what is said behind it."""
    line, _, below = normalize("NFKC", text).partition("\n")
    added, _, total = line.rpartition("=") if "+" in line.rpartition("=")[0] else ("", "", line)
    said = _SCORE.match(total)
    behind = "" if said is None else f"{total[said.end() :]} {added}"
    marks = [float(one) for one in re.findall(_NUMBER, _MARK_RANGE.sub(" ", behind))]
    is_plain = len(marks) in (0, len(CRITERIA)) and not re.search(r"[-=]>|\u2192", behind)
    require_no_label(below)
    if said is None or not is_plain or doubts(f"{behind}\n{below}"):
        raise Unreadable("no_numbers", f"the score of summary {about} is {line.strip()[:80]}")
    value = _in_range(said, TOTAL, f"the total of summary {about}")
    if marks and abs(sum(marks) - value) > 1e-6:
        raise Unreadable("total_not_the_sum", f"summary {about}: {value:g}, of marks that add up to {sum(marks):g}")
    if any(mark > high for mark, (_, high) in zip(marks, CRITERIA.values(), strict=False)):
        raise Unreadable("score_out_of_range", f"a mark of summary {about} is beyond its range: {line.strip()[:80]}")
    yield "score", value
    if remark := _NAME_OF_REMARK.sub("", f"{behind}\n{below}").strip():
        yield "explanation" if below.strip() else "remark", remark  # beside another, it is the summary that was cut


def _mark(part: Part, about: int) -> Iterator[tuple[str, Any]]:
    name = next(one for one in CRITERIA if one in part.label.lower())
    require_no_label(part.text)
    said = _SCORE.match(normalize("NFKC", part.text))
    if said is None or doubts(part.text):
        raise Unreadable("no_numbers", f"the {name} of summary {about} is {part.text.strip()[:80]}")
    yield name, _in_range(said, CRITERIA[name], f"the {name} of summary {about}")


def _in_range(said: re.Match[str], limits: tuple[int, int], what: str) -> float:
    (low, high), value = limits, float(said["value"])
    if not low <= value <= high or (said["most"] is not None and float(said["most"]) != high):
        raise Unreadable("score_out_of_range", f"{what} is {said[0].strip()}, not {low} to {high}")
    return value


def _best(text: str) -> int:
    chosen = choice_in(text)
    if chosen is None or chosen[0] == TIE:
        raise Unreadable("best_not_1_or_2", f"the best summary is {' '.join(text.split())[:80]}")
    _require_stands(*chosen)
    return chosen[0]


def _require_stands(best: int, behind: str) -> None:
    """Guards against a verdict that is taken back behind it: "Actually, summary 2 is better"."""
    if not stands(best, behind):
        raise Unreadable("repeated_part", f"more is said behind the best: {' '.join(behind.split())[:80]}")


def _written(found: Found) -> Written:
    for number in BOTH:
        if ("text", number) not in found:
            reason = "empty_summary" if ("label", number) in found else "missing_part"
            raise Unreadable(reason, f"the text of summary {number}")
    return Written((found["text", 1], found["text", 2]))


def _verdict(found: Found) -> Verdict:
    one, other = _total(found, 1), _total(found, 2)
    best = found.get(("best", None))
    if best is None:
        raise Unreadable("missing_part", "which summary is best")
    if (("explanation", 1) in found) != (("explanation", 2) in found):
        # or else it is a heading within the summary, which would then be cut there
        raise Unreadable("missing_part", "an explanation of one summary, while the other has one")
    low, high = sorted((one, other))
    if low < high and (one if best == 1 else other) == low:
        raise Unreadable("best_contradicts_scores", f"summary {best} with {low:g}, the other with {high:g}")
    why = [found.get(("explanation", number), found.get(("remark", number), "")) for number in BOTH]
    return Verdict((one, other), (why[0], why[1]), best)


def _total(found: Found, number: int) -> float:
    """The total of a summary, or the sum of its four marks where no total is given."""
    total, marks = found.get(("score", number)), [found[name, number] for name in CRITERIA if (name, number) in found]
    if (total is None and not marks) or 0 < len(marks) < len(CRITERIA):
        raise Unreadable("missing_part", f"the score of summary {number}, or a mark of the four")
    if total is not None and marks and abs(total - sum(marks)) > 1e-6:
        raise Unreadable("total_not_the_sum", f"summary {number}: {total:g}, of marks that add up to {sum(marks):g}")
    return sum(marks) if total is None else total
