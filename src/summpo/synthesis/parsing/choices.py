"""Which of two summaries a text chooses, and whether it takes that back: "the second", "a tie", "sorry, I meant 2"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from summpo.synthesis.parsing.numbers import first_line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIGN = (
    "(?![\u26d4\u2717\u2718\u274c\u274e\u2753\u2754\u2795\u2796\u2797\U0001f44e\U0001f6ab\U0001f914\U0001f937])"
    "[\u2192\u21d2\u25b6\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]"
)
"""An arrow to a choice, or a picture; but for those that say no, or that are not sure."""
_BEFORE = rf"(?:[\s*_`\"'(\[{{<>\#:=|$\\\u2116]|-+(?=[\s>*_])|{_SIGN})*+"
_BEHIND = rf"(?:[\s*_`\"')\]}}>|.,;:!\\$]|(?<=\s)(?:\#+|=+|-+)|{_SIGN})*+\Z"
"""What may stand before and behind a choice: no sign that makes it another number (-1, .1, 1%) or a doubt (1?)."""
_NOUN = r"(?:summary|option|version|answer|candidate|response|number|no\.|nr\.)"
_IS_BEST = (
    r"(?:wins\b|(?:is|was)\s+(?:(?:the|clearly|slightly|marginally|definitely|much|far|a\s+bit|overall|still)\s+)*+"
    r"(?:best|better|preferred|preferable|superior|stronger|winner)\b)"
)
_BEST = re.compile(
    rf"""{_BEFORE}(?:(?:is|it\s+is|it's|would\s+be|goes\s+to|i\s+(?:choose|prefer|pick))\b{_BEFORE})?(?:the\b{_BEFORE})?
    (?:(?:{_NOUN}[\W_]*+){{1,2}}(?P<named>[12]|one|two|first|second|[ab]|ii?)
      |(?P<alone>[ab]|ii?)(?={_BEHIND})
      |(?P<bare>[12](?:\.0+(?![0-9]))?|first|second|1st|2nd|(?:one|two)(?={_BEHIND})))
    (?![^\W_])(?![.,:/][0-9])(?:\s+(?:summary|one|version)\b)?
    (?={_BEHIND}|[\s*_`"')\]]*+(?:[.,;:!(\[|-]|</?[a-z]|(?:because|since|as|due|for|by|with|over|overall)\b|{_IS_BEST}))""",
    re.VERBOSE | re.IGNORECASE,
)
_BESIDE = re.compile(
    r"[\s*_`\"')\]]*+(?:[-,;:|<]|\.{3})[\s*_`\"'(\[]*+(?:or\b[>\s]*)?(?:the\s+)?"
    r"(?:summary[\s#*_]*+(?P<named>[0-9]+|one|two|a|b)|(?P<bare>[0-9]+|first|second|both|neither))(?![^\W_])",
    re.IGNORECASE,
)
_LISTED = re.compile(r"\W*1[.):][ \t]+[^\n]*\n(?:[^\n]*\n)*?(?:[^\w\n]|_)*+2[.):][ \t]")
"""The beginning of a list."""
_PLACE = {
    word: number
    for number, words in ((1, "1 one i a first 1st"), (2, "2 two ii b second 2nd"))
    for word in words.split()
}

_THE_OTHER = re.compile(r"\bthe\s+other(?:\s+(?:one|summary))?\b", re.IGNORECASE)
_LESS = re.compile(r"\b(?:than|over|not|nor|neither|beats|to)\s+(?:the\s+)?(?:summary\W*)?[12]\b", re.IGNORECASE)
"""The other summary, as the lesser one."""
_SAID_BEST = re.compile(
    r"""\b(?:summary[\W_]*(?P<named>[12]|one|two|[ab]|ii?)|the\s(?P<place>first|second)(?:\s(?:summary|one))?)\b
        (?:\s\w+){0,1}?\s+(?:is|was)\s+(?:(?!(?:not|no|never|hardly)\b)\w+\s+){0,2}?
        (?:best|better|preferred|preferable|superior|stronger)\b
    |\b(?:best|better|preferred|winner)(?:\s(?:summary|one|choice))?[\s*_]*(?::|\bis\b)[\W_]*
        (?:the\s)?(?:summary[\W_]*)?(?P<said>[12]|one|two|first|second|[ab](?=[\W_]*$))\b""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_DECIDES = (
    r"\b(?:wins?|winner|deserves?|better|best|stronger|superior|go(?:es)?\s+with|prefer\w*|pick|choose|wait|kidding"
    r"|instead|beaten\s+by|loses\s+to)\b"
)
_SHOULD = (
    r"(?:wins?\b|deserves?\b"
    r"|(?:should|must)\s+(?:win|be\s+(?:the\s+)?(?:preferred|chosen|picked|selected|better|best|winner))\b)"
)
_READS_BETTER = r"(?:(?!(?:not|no|never|hardly)\b)\w+\s+){1,3}(?:better|best)\b"
_OTHER = {
    best: re.compile(
        rf"(?:{_DECIDES})[^.\n]{{0,30}}?{other}|{other}(?:\s+(?:{_IS_BEST}|{_READS_BETTER})|[^.,\n0-9]{{0,60}}?\s{_SHOULD})",
        re.IGNORECASE,
    )
    for best in (1, 2)
    for other in [rf"(?:summary\W*)?(?<![\w/.]){3 - best}(?![\w/%]|\.[0-9])"]
}
_NEAR = 200
"""Characters around a clause that tell whether it heads what follows."""
_ARROW = re.compile(r"[-=]{1,4}>|[\u2192\u21d2]")
_CLAUSE = re.compile(r"[^.,;!?()\[\]\n\"|\u2192]+")
_AMONG_NUMBERS = re.compile(r"[0-9]\s*[,;]\s*\Z")
_ENDS = re.compile(r"[!?)\]\"\n]|\.(?![0-9])|\Z")
_NAMED = re.compile(
    r"\b(?:summary[\W_]*(\d|one|two|a\b|b\b)|the\s(first|second)(?:\s(?:summary|one))?|([12])|(?-i:([AB]))(?=[\W_]*\Z))\b"
    r"|(?:\A|:)[\W_]*(first|second)[\W_]*\Z",
    re.I,
)
_NO_MATTER = _words(
    "a actually after again all also alternatively am an and answer apologies as be been but change "
    "changed changing choice choose choosing correction could d edit either else error fact final for go going "
    "have hence hmm i in instead is it its let ll m made make maybe me mean meant mistake my no number oh oops "
    "option or perhaps pick picking please possibly probably rather re read really reflection result s say select "
    "selecting should so sorry summary switch switching take that the then therefore this thus to truth typo "
    "update ve verdict version vote voting wait well winner with would yes"
)
"""Words beside which a summary's name is all that a clause says."""
_DOUBT = re.compile(
    r"""(?:\A|[.,;:!?()\n-])\W{0,8}+(?:no|nope|wait
      |hold\son|hmm+|oops|sorry|scratch\s(?:that|this)|never\s?mind|strike\sthat
      |correction|on\ssecond\sthoughts?|(?:i\s)?(?:have\s)?changed?\smy\smind)[\s*_"\')]{0,8}+(?:[.,:;!?\u2026-]|$)
    |\bi\s(?:take\s(?:it|that|this)\sback|was\s(?:wrong|mistaken)|made\san?\s(?:mistake|error|typo)|misspoke
      |retract|withdraw|reconsider)\b|\bmy\smistake\b
    |\bi(?:'m|\sam)\s(?:not\s(?:\w+\s)?(?:sure|certain)|unsure|uncertain)\b
      (?!\s(?:that|about|whether|if|what|how|why)\b)|\(\s*\?
    |\b(?:ignore|disregard|discard)\s(?:that|this|the\s(?:above|previous))
    |\b(?:that|this|it)\s(?:is|was)\s(?:wrong|incorrect|a\smistake)""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_ONE = (
    r"(?:(?:the\s+)?(?:summary[\s*_\#]*)?[12]|(?:the\s+)?summary\s+(?:one|two|[ab])"
    r"|the\s+(?:first|second)(?:\s+(?:summary|one))?)"
)
_OUTRIGHT = re.compile(
    rf"""(?:\A|[.!?;\n(]|\\n|"(?:reason(?:ing)?|explanation|rationale|justification|analysis|notes?|comments?)"\s*:\s*")
    [\s*_\#>-]{{0,8}}+
    (?:(?:overall|so|thus|therefore|hence|clearly|actually|wait|no|sorry|but|however|rather|in\ conclusion|in\ the\ end
      |on\ balance|to\ me|i\ (?:think|believe|find|(?:would|must)\ say))[,:]?\s+(?:that\s+)?){{0,3}}
    (?:{_ONE}[*_]*\s+{_IS_BEST}
      |i\s+(?:(?:would|strongly|slightly|still|now)\s+)*+(?:prefer|choose|pick|select|go\s+with)\s+{_ONE}
      |(?:it(?:'s|\s+is)|this\s+is)\s+an?\s+(?:tie|draw)
      |(?:both|the\s+two|they|neither)(?:\s+summaries|\s+of\s+them)?\s+(?:are|is)\s+
        (?:(?:about|roughly|almost|essentially)\s+)?(?:equal(?:ly\s+(?:good|strong|matched))?|tied|better|identical))
    (?:\s+(?:one|summary|choice|overall|here|of\s+the\s+two|(?:than|over)\s+(?:the\s+)?[\w ]{{1,20}}))*+
    [*_]*\s*(?:[.!"\n)]|\\n|\Z)""",
    re.VERBOSE | re.IGNORECASE,
)
"""A sentence that chooses, or calls a tie, and says no more."""

_TIE = _words("tie tied draw same equal equally identical equivalent indistinguishable alike even neither both none")
_EQUAL = _words("tie tied draw equal equally")
_TIE_WITH = _words(
    "a about almost an are as bad best better each evenly fine good in is it matched of one other quality roughly s "
    "strong summaries summary than the they two well"
)
_NO_DIFFERENCE = re.compile(r"\bno (?:\w+ )?(?:preference|difference|winner)\b", re.IGNORECASE)
_END_OF_TIE = re.compile(r"[.,;:!(\[]|\s-\s|\bbecause\b|\bsince\b", re.IGNORECASE)


def best_of(text: str) -> int | None:
    """1 or 2, where the first line of a text in its `usual` characters begins with that summary, names no other beside
    it and says no more of it than that it is best, or why."""
    line = first_line(text)
    found = _BEST.match(line)
    if found is None or _LISTED.match(text):
        return None
    said = found["named"] or found["alone"] or found["bare"]
    best = _PLACE[said.partition(".")[0].lower()]
    beside = _BESIDE.match(line, found.end())
    return best if beside is None or _PLACE.get((beside["named"] or beside["bare"]).lower()) == best else None


def is_tie(text: str) -> bool:
    """Whether the first line of a text begins by saying that the two are equal, and no more of it than why."""
    clause = _END_OF_TIE.split(_NO_DIFFERENCE.sub("tie", first_line(text)).strip(" *_`\"'([{<#"))[0]
    words = set(re.findall(r"[^\W_]+", clause.lower()))
    return bool(words & _TIE) and words <= _TIE | _TIE_WITH


def other_best_in(text: str, best: int) -> bool:
    """Whether a text says of the other summary that it is the better one."""
    text = _THE_OTHER.sub(f"Summary {3 - best}", text)
    compared = _LESS.sub(" ", text)
    said = (found["named"] or found["place"] or found["said"] for found in _SAID_BEST.finditer(compared))
    if any(_PLACE[one.lower()] != best for one in said):
        return True
    return _OTHER[best].search(compared) is not None or _is_named_alone(3 - best, _ARROW.sub("\u2192", text))


def said_outright(text: str) -> set[int | None]:
    """The summaries that whole sentences say are the better one, and nothing more of; None for a tie."""
    return {next(names_in(sentence[0]), None) for sentence in _OUTRIGHT.finditer(text)}


def is_taken_back(text: str) -> bool:
    """Whether a text behind a verdict doubts it: "Wait.", "scratch that"."""
    return _DOUBT.search(text) is not None


def is_called_tie(text: str) -> bool:
    """Whether a clause of a text says that the two are equal, and no more: "(a tie)"."""
    clauses = (_words(re.sub(r"[\W_]+", " ", clause.lower())) for clause in _CLAUSE.findall(text))
    return any(words & _EQUAL and words <= _TIE | _TIE_WITH | _NO_MATTER for words in clauses)


def names_in(text: str) -> Iterator[int | None]:
    """The summaries that a text names, in their order; None for one that there is not."""
    return (_PLACE.get(next(filter(None, one.groups())).lower()) for one in _NAMED.finditer(text))


def _is_named_alone(number: int, text: str) -> bool:
    """Whether a clause names a summary and says nothing of it: "no, 2." It heads nothing, and is no item of a list."""
    for clause in _CLAUSE.finditer(text):
        rest = re.findall(r"[^\W_]+", _NAMED.sub(" ", clause[0]).lower())
        if set(names_in(clause[0])) != {number} or not _NO_MATTER.issuperset(rest):
            continue
        before = text[max(0, clause.start() - _NEAR) : clause.start()].rpartition("\n")[2]
        behind = text[clause.end() : clause.end() + _NEAR]
        heads = clause[0].rstrip(" *_").endswith(":") or not (rest or (before.strip(" *_#>") and before[-1] != "("))
        is_item = (heads and any(map(str.isalnum, behind))) or (not rest and _AMONG_NUMBERS.search(before) is not None)
        if _ENDS.match(behind) and not is_item:
            return True
    return False
