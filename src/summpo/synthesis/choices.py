"""Which of two summaries a text chooses ("2", "Summary 1.", "the second", "a tie"), and whether it says otherwise too.

Strict: behind a choice stand remarks on the chosen summary alone. Whatever else may stand there (another choice, a
doubt, words that are not known) makes it none, for a choice that is wrongly read is worse than one that is not read.
"""

from __future__ import annotations

import re
from unicodedata import normalize

TIE = 0
"""What is chosen where neither is: 1 and 2 are the summaries."""

_PLACES = {"1": 1, "one": 1, "first": 1, "former": 1, "a": 1, "i": 1}
_PLACES |= {"2": 2, "two": 2, "second": 2, "latter": 2, "b": 2, "ii": 2}
_NOUN = r"(?:summary|option|version|candidate|response|number|no\.)"
_OPEN = r"[\s*_`\"'\u201c(\[\#]*+"
_CLOSE = r"[*_`\"'\u201d)\]]*+"
_BEHIND = r"(?=\s*\Z|\s*[.,;:!](?!\d)|\s+[-\u2013\u2014(\[]|\s+(?:because|since|as|for|due|over|is)\b)"
_CHOICE = re.compile(
    rf"""{_OPEN}(?:[-\u2022]\s+)?+{_OPEN}(?:(?:is|it\s+is|the)\b{_OPEN})*+
    (?:(?:{_NOUN}[\s_*\#]*+){{1,2}}(?P<named>[12]|one|two|[ab])|(?P<bare>[12](?:\.0)?|first|second|(?-i:[AB])))
    (?![^\W_])(?:\s+(?:summary|one|option|version)\b)?{_CLOSE}{_BEHIND}""",
    re.VERBOSE | re.IGNORECASE,
)
_TIED = re.compile(
    rf"""{_OPEN}(?:(?:is|it\s+is|it's|an?|the|they\s+are|both(?:\s+summaries)?\s+are)\s+)*+
    (?:tie|tied|draw|same|equal(?:ly\s+(?:good|strong))?|neither)\b{_CLOSE}{_BEHIND}""",
    re.VERBOSE | re.IGNORECASE,
)
_NAMED = re.compile(
    rf"\b{_NOUN}[\W_]{{0,6}}([12]|one|two|a|b|ii?)(?![^\W_])|\b(first|second|former|latter)\b(?!,)"
    r"|(?<![\w.,/:])([12])(?![\w/%]|[.,:]\d)|(?-i:\b([AB])\b)(?!\s+[a-z])",
    re.IGNORECASE,
)
_LESSER = re.compile(rf"\b(?:than|over|unlike)\s+(?:the\s+)?(?:{_NAMED.pattern})", re.IGNORECASE)
_REMARK = re.compile(
    r"\W*(?:(?:reason(?:ing)?|explanation)s?\W+)?(?:it|its|they|both|this\s+(?:one|summary)|because|since"
    r"|(?:as|for)\s+(?:it|its|they|both)|due\s+to|more|is\s+(?:the\s+)?(?:better|best)(?=\s+it\b|\W*\Z))\b",
    re.IGNORECASE,
)
_GOODBYE = re.compile(
    r"\W*(?:(?:i\s+)?hope\s+(?:this|these|it|that)|(?:please\s+)?let\s+me\s+know|feel\s+free|would\s+you\s+like"
    r"|if\s+you\s+(?:need|would\s+like|want|have\s+any))\b",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[\s*_`\"'\u201d#.,;:!)\]=-]*+")


_STRAY = re.compile(
    r"\b(?:best|better|winner|verdict)(?:[ _]summary)?[\"'*_`)\]]{0,4}[:=>]\W{0,6}"
    r"(?:summary\W{0,3})?(1|2|first|second|(?-i:[AB])|tie)\b",
    re.IGNORECASE,
)
"""A label with its choice, wherever it stands."""


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]+", text.lower()))


_TIES = _words("tie tied draw equal equally alike identical same")
_WORSE = _words("inferior lose loses lost weaker worse worst")
_DECISIVE = _words(
    "better best choose chosen go going lean pick prefer preferred preferable select stronger superior win winner "
    "wins winning"
)
_SAY_NO_MORE = _words(
    "a actually an and answer are as balance be believe both but choice clearly conclusion d definitely end "
    "explanation far final find for good here hence however i in is it its label ll m marginally me much must my "
    "neither no note now of on one option our overall rather reason s say slightly so sorry still strongly summaries "
    "summary that the therefore they think this thus to towards two verdict version wait was which with would"
)
"""Words that add nothing to a sentence that chooses: not in which respect, nor by whose measure."""
_DOUBTS = _words(
    "actually again alternatively although answer apologies back barely beaten but cancel change changed changing "
    "choice correct corrected correction decision deduct deducted depends deserves discard disregard doubt drop "
    "dropped either edit error false final finally guess hardly however hmm if ignore inferior instead invalid joke "
    "joking kidding less lie lose loses lost maybe mean meant mind minus misread mistake mistaken mistakenly misspoke "
    "neither never no nope not opposite oops or other otherwise penalty perhaps pick plus possibly probably rather "
    "reconsider reconsidered reconsidering reflection reject rejected retract reverse reversed revise revised scrap "
    "scratch should sorry strike swap swapped switch switched t though thought thoughts typo uncertain unclear "
    "undecided undo unless unsure untrue update verdict void vote wait weaker withdraw withdrawn worse worst wrong "
    "wrongly four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
)
"""Words that may take back what was said before; a remark with one of them is not read."""


def choice_in(text: str) -> tuple[int, str] | None:
    """The summary, or `TIE`, that the first line of a text chooses, and what the text says behind that."""
    line, _, below = normalize("NFKC", text).lstrip().partition("\n")
    found = _CHOICE.match(line)
    if found is not None:
        said = (found["named"] or found["bare"]).removesuffix(".0").lower()
        return _PLACES[said], f"{line[found.end() :]}\n{below}"
    found = _TIED.match(line)
    return None if found is None else (TIE, f"{line[found.end() :]}\n{below}")


def is_bare_choice(line: str) -> bool:
    """Whether a line names a summary and says no more."""
    chosen = choice_in(line)
    return chosen is not None and _MARKS.fullmatch(chosen[1]) is not None


def is_goodbye(sentence: str) -> bool:
    """Whether a sentence offers further help, as models do at the end."""
    return _GOODBYE.match(sentence) is not None


def doubts(text: str) -> bool:
    """Whether a text has a word that may take back what stands before it, or strikes something out."""
    return "~~" in text or "?" in text or not _DOUBTS.isdisjoint(_words(text))


def stands(choice: int, behind: str) -> bool:
    """Whether a choice stands, with what is said behind it: remarks on the summary that is chosen, and goodbyes."""
    return all(_is_remark(one, choice) for one in re.split(r"(?<=[.!?;])\s+|\n", normalize("NFKC", behind)))


def _is_remark(sentence: str, choice: int) -> bool:
    if _MARKS.fullmatch(sentence):
        return True
    if choice != TIE:
        sentence = _LESSER.sub(lambda found: " it " if places_in(found[0]) == {3 - choice} else found[0], sentence)
    if places_in(sentence) - {choice}:
        return False
    if is_goodbye(sentence):
        return True
    is_tie = choice != TIE and not _TIES.isdisjoint(_words(sentence))
    return _REMARK.match(_NAMED.sub(" it ", sentence)) is not None and not doubts(sentence) and not is_tie


def said_outright(text: str) -> set[int]:
    """What a text chooses in labels, wherever they stand, and in whole sentences that say no more: "I prefer 2."."""
    found = {_PLACES.get(stray[1].lower(), TIE) for stray in _STRAY.finditer(normalize("NFKC", text))}
    for sentence in re.split(r"[.!?;\n]|\\n", normalize("NFKC", text)):
        sentence = _LESSER.sub(" ", sentence)
        places = places_in(sentence)
        words = _words(_NAMED.sub(" ", sentence))
        if not words <= _DECISIVE | _WORSE | _TIES | _SAY_NO_MORE:
            continue
        if words & _TIES and len(places) != 1:
            found.add(TIE)
        elif words & _DECISIVE and len(places) == 1:
            found |= places
        elif words & _WORSE and len(places) == 1:
            found |= {3 - place for place in places}
    return found


def places_in(text: str) -> set[int]:
    """The summaries that a text names."""
    return {_PLACES[next(filter(None, one.groups())).lower()] for one in _NAMED.finditer(text)}
