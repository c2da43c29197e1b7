"""An answer taken apart: the JSON objects in it, and the lines that begin with a label of our prompts.

A label is read in light dress alone: emphasis, a heading, a bullet or an item's number before it; a colon, a dash or
the line's end behind it. What has no label that is known stays in the part above it, and is judged there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from summpo.synthesis.choices import is_bare_choice
from summpo.teacher.endpoint_words import storable
from summpo.teacher.finish_reasons import ending_of, reason_of
from summpo.teacher.records import Answer
from summpo.text.thoughts import without_thoughts

REASONS = (
    "empty_answer", "truncated", "content_filter", "refusal", "broken_json", "missing_part", "repeated_part",
    "unexpected_part", "empty_summary", "placeholder", "no_numbers", "score_out_of_range", "total_not_the_sum",
    "best_not_1_or_2", "best_contradicts_scores",
)  # fmt: skip
"""Why an answer is not taken.

- empty_answer: it has no text, or none but thoughts. truncated: it was cut off at max_tokens, or within a thought.
  content_filter: the endpoint withheld it. refusal: the model refuses, or it is an excuse. broken_json: it has the keys
  of JSON, is none, and has no labels either.
- missing_part: a summary, a score or the best. repeated_part: one of them twice, and not the same; or it is taken back.
  unexpected_part: a third summary, a label within a summary, a verdict that is given as an example.
- empty_summary: a label and nothing under it. placeholder: the prompt's own [the first summary].
- no_numbers: a score that is not a number. score_out_of_range: a mark or a total beyond its range, or out of another
  number than its range's end. total_not_the_sum: of the four marks, where all are there.
- best_not_1_or_2: both, neither, a third, prose. best_contradicts_scores: the best has the lower total.
"""
Kind = Literal["summary", "score", "mark", "explanation", "best", "aside"]


class Unreadable(Exception):
    """Ends the reading of an answer: one of `REASONS`, and what exactly for a reader."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REASONS
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Part:
    """A label, or a key, and what stands under it; an aside is what has none."""

    kind: Kind
    text: str
    number: int | None = None
    """The summary that it is about, where the label says so."""
    label: str = ""
    """As it stands there."""


_PLACES = {"one": 1, "a": 1, "first": 1, "two": 2, "b": 2, "second": 2, "three": 3, "c": 3, "third": 3}
_SUMMARY = (
    r"(?:summary[\s_*]*+(?:\#|number\b|no\.)?[\s_*]*+(?P<number_{0}>\d{{1,2}}|one|two|three|[abc])(?![^\W_])"
    r"|(?P<place_{0}>first|second|third)\s+summary\b)"
)
_NOTE = (
    r"[(\[](?:\d|[\s,.:~\u2013/-]|\b(?:words?|count|long|longer|short|shorter|detailed|brief|concise|about|or|from|to"
    r"|out|of|a|number|total|overall|final|points?|score|max|maximum|the|first|second)\b)*+[)\]]"
)
"""Beside a label: (1 or 2), (from 4 to 18), (long, 200 words). Another note may say that what follows is no answer."""
_LABEL = re.compile(
    rf"""(?P<dress>[\s*_`\#+\u00b7\u2022\u25aa\u25cf\u25e6\u2013\u2014-]*+(?:(?:\d{{1,2}}|[a-g])[.)][\s*_]++)?+)
    (?:(?:the|my|final|overall)[\s,]+)*+
    (?:(?P<best>(?:best|better|preferred|chosen|winning)(?:[\s_]*(?:summary|one|choice|option|version))?
         |winner|verdict|decision|answer|choice|preference)
      |(?:{_SUMMARY.format(1)}(?:'s)?[\s_*:-]++)?
       (?:(?P<score>(?:(?:total|overall)[\s_]*)*scores?)|(?P<explanation>explanation))
       (?:[\s_(]*+(?:(?:of|for)\s+)?(?:{_SUMMARY.format(2)}|(?P<number_3>[12])(?![^\W_]))\)?)?
      |(?P<summary>{_SUMMARY.format(4)})
      |(?P<mark>coherence|consistency|relevance|fluency))
    (?P<before>[\s*_`]*+(?:{_NOTE}[\s*_`]*+)?)
    (?:[:=\uff1a\ufe55]|[-\u2013-\u2015](?=\s)|(?(best)|(?(score)|(?!)))\s*is\b(?=\s)|\s*\Z)(?(mark)(?=[\s*_`]*\d))""",
    re.VERBOSE | re.IGNORECASE,
)
_KINDS = get_args(Kind)[:-1]
_ON_THE_LINE = re.compile(r"(?<=[.!?;)])[ \t]+(?=[*_`]*better[*_`]*:)", re.IGNORECASE)
"""Before the label of the judge's prompt, behind the reason, where both stand on one line."""
_KEY = re.compile(r'^[ \t{\[,]*+"[^"\n]{1,60}"\s*:', re.MULTILINE)
_BRACE = re.compile(r"^[ \t]*[{}],?[ \t]*$", re.MULTILINE)
_STRUCK = re.compile(r"~~|</?(?:del|s|strike)>", re.IGNORECASE)
_OBJECTS = 20
"""JSON objects of an answer, at most."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z0-9])")
_EXAMPLE = re.compile(
    r"\b(?:example|template|instance|draft|suppose|would|could|might|unless|if|like\s(?:this|so)|say|says|said|write"
    r"|writes|wrote|wants|thinks|claims|replies)\b.*:[\s*_`]*\Z|\A(?!.*\bhere\b).*\bform(?:at)?s?\b.*:[\s*_`]*\Z"
    r"|(?:\b(?:not|never|no|than|or|if|unless|e\.?g\.?)|n['\u2019]t)[\s*_`:]*\Z",
    re.IGNORECASE,
)
"""A line that says that what follows it is no answer of its own."""


def text_of(answer: Answer) -> str:
    """The answer without its thoughts (a draft in a thought is no answer), line ends of one kind.

    Raises:
        Unreadable: content_filter, refusal, truncated or empty_answer.
    """
    ending = ending_of(answer.finish_reason)
    if ending == "filtered":
        raise Unreadable("content_filter", f"the endpoint withheld it: {reason_of(answer.finish_reason)}")
    if ending == "refused":
        raise Unreadable("refusal", " ".join(answer.text.split())[:120] or "the model refuses, and does not say why")
    said = without_thoughts("\n".join(storable(answer.text).removeprefix("\ufeff").splitlines()))
    is_empty = not said.text.strip()
    if ending == "cut" or (said.cut and not is_empty):
        where = ", within its thoughts" if said.cut or (is_empty and answer.thoughts) else ""
        raise Unreadable("truncated", f"cut off after {answer.completion_tokens} tokens{where}")
    if is_empty and answer.thoughts:
        beside = "no text: all of it stands in thoughts beside it (reasoning_content or its like), which end"
        raise Unreadable("empty_answer", f"{beside} {answer.thoughts.strip()[-80:]!r}")
    if is_empty:
        thought = "an unfinished thought" if said.cut else "what was thought aloud" if said.thoughts else ""
        raise Unreadable("empty_answer", f"no text but {thought}" if thought else "no text")
    lines = said.text.split("\n")
    is_quoted = all(line.lstrip().startswith(">") for line in lines if line.strip())
    return "\n".join(re.sub(r"\A\s*> ?", "", line) for line in lines) if is_quoted else said.text


def parts_in(text: str) -> list[Part]:
    """The parts of an answer, in their order: those of its JSON objects, and those of the lines around them.

    Raises:
        Unreadable: broken_json, or unexpected_part where something is struck out, or given as an example.
    """
    if _STRUCK.search(text):
        raise Unreadable("unexpected_part", "something is struck out")
    parts: list[Part] = []
    around: list[Part] = []
    end = 0
    for found, start, behind in _objects(text):
        if any(part.kind in ("summary", "score", "best") for part in found):
            _require_own(text[end:start])
            around += (lines := _parts_of_lines(text[end:start]))
            parts += [*lines, *found]
            end = behind
    around += (lines := _parts_of_lines(text[end:]))
    parts += lines
    if end and any(part.kind not in ("aside", "best") for part in around):
        raise Unreadable("repeated_part", "it answers in JSON and in lines")
    if _BRACE.search(text, end) or (all(part.kind == "aside" for part in parts) and _KEY.search(text)):
        raise Unreadable("broken_json", "it has the keys of JSON and cannot be read as such")
    return parts


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON: every key, also one that stands twice."""


def _objects(text: str) -> Iterator[tuple[list[Part], int, int]]:
    """The parts of each JSON object in a text, and where it begins and ends."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, strict=False)
    end = 0
    for _ in range(_OBJECTS):
        start = text.find("{", end)
        if start < 0:
            return
        try:
            value, end = decoder.raw_decode(text, start)
            parts = list(_parts_of_object(value, None))
        except (ValueError, RecursionError):  # broken, numbers of thousands of digits, nested without end
            end = text.find("\n", start) % (len(text) + 1)  # the rest of its line is of it, or no more
            continue
        yield parts, start, end


def _parts_of_object(pairs: _Pairs, number: int | None) -> Iterator[Part]:
    """A key is read as the label of that name; what is nested under a summary's key is about that summary."""
    for key, value in pairs:
        name = " ".join(_CAMEL.sub(" ", key).replace("_", " ").split())
        label = _LABEL.match(f"{name}: 0")
        is_label = label is not None and label.end() == len(name) + 1
        kind, about = (_kind_of(label), _number_of(label) or number) if label and is_label else ("aside", number)
        if number is not None and name.lower() in ("text", "summary"):
            kind = "summary"
        if isinstance(value, _Pairs) and kind in ("mark", "aside"):  # of one respect, or an example
            kind = "aside"
        elif isinstance(value, _Pairs):
            yield from _parts_of_object(value, about)
            continue
        elif isinstance(value, list | bool) and kind != "aside":
            raise Unreadable("unexpected_part", f"{key} is {json.dumps(value)[:80]}")
        said = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        yield Part(kind, storable(said), about, name)


def _parts_of_lines(text: str) -> list[Part]:
    """The parts of a text, first what stands before its first label."""
    parts = [Part("aside", "")]
    lines = _ON_THE_LINE.sub("\n", text).split("\n")
    for at, line in enumerate(lines):
        label, last = _LABEL.match(line), parts[-1]
        if label is None or (last.kind == "best" and not last.text.strip() and is_bare_choice(line)):
            parts[-1] = replace(last, text=f"{last.text}\n{line}")
            continue
        if label["best"] or len(parts) == 1:
            _require_own("\n".join(lines[max(0, at - 3) : at]))
        parts.append(Part(_kind_of(label), _content_of(line, label), _number_of(label), label[0]))
    return parts


def _content_of(line: str, label: re.Match[str]) -> str:
    """What stands behind a label, without the emphasis that was opened before it and is closed after its colon."""
    rest = line[label.end() :]
    opened = re.search(r"([*_`]+)\Z", label["dress"])
    if opened is None or opened[1] in label["before"]:
        return rest
    rest = rest.strip()
    return rest.removeprefix(opened[1]) if rest.startswith(opened[1]) else rest.removesuffix(opened[1])


def _kind_of(label: re.Match[str]) -> Kind:
    return next(kind for kind in _KINDS if label[kind])


def _number_of(label: re.Match[str]) -> int | None:
    groups = label.groupdict().items()
    said = next((one.lower() for name, one in groups if one and name.startswith(("number", "place"))), None)
    return None if said is None else int(said) if said.isdecimal() else _PLACES[said]


def _require_own(before: str) -> None:
    """Guards that a verdict is said by the answer itself, and not given as an example or as the prompt's form."""
    lines = [line for line in before.split("\n") if line.strip(" `~")]
    if lines and _EXAMPLE.search(lines[-1][-200:]):
        raise Unreadable("unexpected_part", f"it is given as an example: {lines[-1].strip()[:80]!r}")
