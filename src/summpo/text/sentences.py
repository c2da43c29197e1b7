"""Text to sentences by rule, and sentences to pieces and windows of a limited size. Knows neither models nor tokens.

A simple splitter of our own: Unicode's marks that end a sentence in any script, English abbreviations, no model and no
list of another language's words. It errs towards too few cuts: two sentences in one are less harm than half of one. So
Thai and Lao, which end no sentence with a mark and have spaces within sentences too, are cut at new lines alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import regex

from summpo.text.words import ALONE, EAST, SOUTH_EAST

RULE = "cut at new lines and behind Unicode's marks that end a sentence, but for abbreviations"
"""What counts as a sentence, for those who read the numbers."""

_ALWAYS_GOES_ON = re.compile(
    r"dr|mr|mrs|ms|prof|rev|hon|gen|col|lt|sgt|capt|sen|rep|gov|st|mt|vs|e\.g|i\.e|eg|ie|cf|viz|approx|resp|dept"
)
"""After these a sentence never ends."""
_GOES_ON_WITH_NUMBER = re.compile(r"nos?|figs?|eqs?|pp?|vol|ch|sec|art|ver")
_LETTER = rf"[\p{{L}}--[\p{{Hangul}}{EAST}]]\p{{M}}*"
_MAY_END = regex.compile(rf"(?:{_LETTER}\.)*{_LETTER}|ph\.d|etc|al|inc|ltd|co|corp|jr|sr|am|pm", regex.V1)
"""Initials (J., U.S., p.m.) and others after which a sentence ends only where the next word is one of these."""
_STARTER = re.compile(
    r"The|An?|This|That|These|Those|There|Here|I|We|You|He|She|It|They|My|Our|Your|His|Her|Its|Their|And|But|So|Or|"
    r"Then|When|While|After|Before|If|As|In|On|At|For|However|Also|What|Why|How|Who|Where|Now"
)

_SPACED = ".!?…"
"""Stops that end a sentence only where white space follows: they stand in numbers, names and addresses too. Between
characters of a script without spaces ! and ? end one as well, and . in Chinese and Japanese."""
_OTHER = r"(?:[[\p{Sentence_Terminal}\u0f0d\u0f0e]--[.!?\u2024\u104a\uff0e\u06d4]]|[\uff0e\u06d4](?!\p{Nd}))"
"""Stops of other scripts, which end one wherever they stand, as 。！？ ؟ ۔ । ։ ። ။ do. Unicode counts Burmese's comma
among them, and not Tibetan's shad."""
_BY_SHAPE = r"(?<=\p{Greek}\p{M}*)[;\u037e]|(?<=\p{Armenian}):|(?<=\p{Ethiopic})::"
"""Marks of other meaning elsewhere: Greek's question mark, and full stops as they are typed."""
_CLOSING = r"[\"'\p{Pe}\p{Pf}]"
_CLOSING_SPACED = r"(?:[\"'\p{Pe}\p{Pf}\p{Pi}]|[ \u00a0\u202f]»(?!\S))"
"""Some quotes that open in English close in German; French has a space before those that close."""
_STOP = regex.compile(
    rf"(?<![{_SPACED}])(?:[{_SPACED}]++|{_BY_SHAPE}){_CLOSING_SPACED}*+(?=\s)"
    rf"|(?:(?<={ALONE}\p{{M}}*)[!?]++|(?<={EAST})\.){_CLOSING}*+(?={ALONE})"
    rf"|{_OTHER}++[{_SPACED}]*+{_CLOSING}*+",
    regex.V1,
)
_CLOSED = regex.compile(r".*[\"'\p{Pe}\p{Pf}\p{Pi}]", regex.DOTALL)
_GOES_ON = regex.compile(r"\s*+[,،、，;；:：とっ]")
"""After a closing quote, where a script has no lower case to tell by: a comma, or と and って of Japanese."""
_ABBREVIATES = regex.compile(rf"{SOUTH_EAST}\Z", regex.V1)
"""Scripts in which a full stop only abbreviates."""
_NEXT_WORD = re.compile(r"\s*+[^\w\s]*+(\w*+)")
_LONGEST = 24
"""Characters before a stop that are looked at: no abbreviation and no item's number is longer."""
_CUT = regex.compile(rf"\s|(?<={ALONE}\p{{M}}{{0,3}}\p{{P}}{{1,3}})(?![\p{{P}}\s])", regex.V1)
"""The places where a sentence may be cut: at white space, and behind punctuation in scripts without."""
_CHARACTER = regex.compile(r"\X")
"""What a reader takes for one, marks and joined emoji with it."""


def sentences_of(text: str) -> list[str]:
    """The sentences of a text in order, without white space around them; none for a blank text.

    A new line ends a sentence; so does a run of . ! ? … with the quotes and brackets that close behind it, where white
    space follows; 。！？ and the stops of other scripts do so without. Not after an abbreviation, an initial or the
    number of a list's item, and not where the text goes on in lower case behind an ellipsis, a closing quote or a
    bracket. Nothing is lost: joined they are the text, up to white space.
    """
    found = []
    for line in text.splitlines():
        start = 0
        for stop in _STOP.finditer(line):
            before = line[max(start, stop.start() - _LONGEST) : stop.start()]
            if _ends(before, stop[0], line, stop.end()):
                found.append(line[start : stop.end()].strip())
                start = stop.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def _ends(before: str, stop: str, line: str, at: int) -> bool:
    """Whether the `stop` that ends at `at` in the line, after `before`, ends a sentence."""
    following = _NEXT_WORD.match(line, at)
    word = following[1] if following else ""
    if _CLOSED.fullmatch(stop) or stop.startswith(("..", "…")):
        return not word[:1].islower() and not (_CLOSED.fullmatch(stop) and _GOES_ON.match(line, at))
    if stop not in (".", "۔", "．"):
        return True
    if _ABBREVIATES.search(before):
        return False
    last = (before.split() or [""])[-1].lstrip("\"'“‘«([").lower()
    if before.strip().isdigit() or _ALWAYS_GOES_ON.fullmatch(last):
        return False
    if _GOES_ON_WITH_NUMBER.fullmatch(last):
        return not word[:1].isdigit()
    return not _MAY_END.fullmatch(last) or bool(_STARTER.fullmatch(word))


def pieces_of(text: str, limit: int, size: Callable[[str], int]) -> list[str]:
    """A text halved, at the white space nearest to its middle, until no piece is larger than `limit`.

    In scripts without spaces their punctuation counts as well. A text without either is cut in its middle; a single
    character is never cut, however large.
    """
    text = text.strip()
    if not text or len(text) == 1 or size(text) <= limit:
        return [text] if text else []
    middle = len(text) // 2
    places = _places(_CUT, text) or _places(_CHARACTER, text) or [middle]
    cut = min(places, key=lambda at: abs(at - middle))
    return [*pieces_of(text[:cut], limit, size), *pieces_of(text[cut:], limit, size)]


def _places(pattern: regex.Pattern[str], text: str) -> list[int]:
    """Where the matches begin, but for the text's ends."""
    return [found.start() for found in pattern.finditer(text) if 0 < found.start() < len(text)]


def windows_of(sentences: Sequence[str], limit: int, size: Callable[[str], int]) -> list[str]:
    """Neighbouring sentences joined by spaces, as many as fit `limit`; one that is larger stands alone."""
    windows: list[list[str]] = []
    filled = 0
    for sentence in sentences:
        if not windows or filled + size(sentence) > limit:
            windows.append([])
            filled = 0
        windows[-1].append(sentence)
        filled += size(sentence)
    return [" ".join(window) for window in windows]
