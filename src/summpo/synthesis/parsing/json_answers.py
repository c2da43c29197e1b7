"""From an answer in JSON to its labelled parts: keys are labels, and what is nested or listed is about that summary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from summpo.synthesis.parsing.labels import label_of
from summpo.synthesis.parsing.marks import usual
from summpo.synthesis.parsing.parts import CRITERIA, Kind, Part

_CANDIDATE = re.compile(r"\{|\[(?=\s*\{)")
_CANDIDATES = 20
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z0-9])")
_LISTS: dict[str, Kind] = {
    "summary": "summary", "summaries": "summary", "score": "score", "scores": "score", "total scores": "score",
    "total score": "score", "totals": "score", "explanation": "explanation", "explanations": "explanation",
    "evaluations": "aside", "evaluation": "aside", "ratings": "aside",
}  # fmt: skip
_TEXTS = ("text", "summary", "content", "summary text")
_TOTALS = ("total", "score", "total score", "overall score", "sum")
_CHOICES = ("best", "better", "preferred", "preference", "choice", "winner", "verdict")
_ASKED_FOR = ("summary", "score", "best")
_PLACES = {"1": 1, "first": 1, "2": 2, "second": 2}


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON: every key, also one that stands twice."""


def parts_of_json(text: str) -> list[Part]:
    """The parts of the JSON objects in a text, a draft's too, and what is said behind them; none where there are none,
    or they cannot be read."""
    said = [(parts, end) for parts, _, end in objects_in(text) if any(one.kind in _ASKED_FOR for one in parts)]
    return [*(part for parts, _ in said for part in parts), *(Part("close", None, text[end:]) for _, end in said[-1:])]


def objects_in(text: str) -> Iterator[tuple[list[Part], int, int]]:
    """The parts of each JSON object, or list of such, in a text; and where it begins and ends."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, strict=False)
    end = 0
    for _ in range(_CANDIDATES):
        found = _CANDIDATE.search(text, end)
        if found is None:
            return
        try:
            value, end = decoder.raw_decode(text, found.start())
            parts = list(_parts(value, "aside", None))
        except (ValueError, RecursionError):  # broken, numbers of thousands of digits, nested without end
            end = text.find("\n", found.end()) % (len(text) + 1)  # the rest of its line is of it, or no more
            continue
        yield parts, found.start(), end


def _parts(value: Any, under: Kind, number: int | None) -> Iterator[Part]:
    """The parts of an object or a list that stands under a label of this kind, about this summary."""
    if isinstance(value, _Pairs):
        for key, child in value:
            yield from _of_key(_words(key), child, under, number)
    elif isinstance(value, list):
        for place, child in enumerate(value, start=1):
            yield from _of_value(child, under, number or _own_number(child) or place, "")


def _own_number(value: Any) -> int | None:
    """The number that an object in a list has of itself."""
    own = dict(value) if isinstance(value, _Pairs) else {}
    return next((own[key] for key in ("id", "number", "index") if isinstance(own.get(key), int)), None)


def _of_key(key: str, value: Any, under: Kind, number: int | None) -> Iterator[Part]:
    kind, about, name = _meaning(key, value, under, number)
    if kind == "best" and under == "criterion":  # better in one respect
        return
    if kind is None and isinstance(value, _Pairs):  # "overall": {"better": 2}
        kind = under
    if kind is not None:
        yield from _of_value(value, kind, None if kind == "best" else about, name)


def _meaning(key: str, value: Any, under: Kind, number: int | None) -> tuple[Kind | None, int | None, str]:
    """What a key announces: a kind, the summary it is about, and a criterion's name."""
    if key in CRITERIA:
        return "criterion", number, key
    if key in _PLACES:
        return under, _PLACES[key], ""
    if key in _TEXTS and number is not None and isinstance(value, str):
        return "summary", number, ""
    if key in _TOTALS and not isinstance(value, list | _Pairs):
        return "score", number, ""
    if key in _LISTS:
        return _LISTS[key], number, ""
    label = label_of(f"{key}:") or label_of(f"{key}: {value}")
    if label is None:
        return ("best", None, "") if key in _CHOICES else (None, None, "")
    if label.kind == "summary" and under in ("score", "explanation"):
        return under, label.number, ""
    return label.kind, label.number or number, label.name


def _of_value(value: Any, kind: Kind, number: int | None, name: str) -> Iterator[Part]:
    if isinstance(value, _Pairs | list):
        yield from _parts(value, kind, number)
    elif value is not None and not isinstance(value, bool):
        yield Part(kind, number, str(value), name)


def _words(key: str) -> str:
    """ "totalScore_1" as "total score 1"."""
    return " ".join(_CAMEL.sub(" ", usual(key)).replace("_", " ").replace("-", " ").lower().split())
