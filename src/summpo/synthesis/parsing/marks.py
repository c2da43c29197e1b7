"""Characters and markup: the text of an answer made plain, and the text of a part without what was put around it.

Only the ends of a part are cut (and the > of a quotation before each of its lines): what is left is a run of the
answer, letter by letter.
"""

from __future__ import annotations

import re
from unicodedata import normalize

HALF_PAIR = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")

_ALIKE = {
    " ": "\t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3",  # and what makes a key of 1 or a picture of a sign
    "-": "\xad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63",
    ":": "\u02d0\u2236\ua789\ufe13\ufe55",
    "/": "\u2044\u2215\u29f8",
    "*": "\u2217\u22c6\u2022",
    "'": "\u2018\u2019\u02bc",
    '"': "\u201c\u201d",
}
_PLAIN_OF = {ord(odd): usual for usual, all_odd in _ALIKE.items() for odd in all_odd}
_PLAIN_OF |= {0xFF00 + offset: chr(0x20 + offset) for offset in range(1, 95)}
_PLAIN_OF |= {first + n: chr(0x31 + n) for first in (0x2460, 0x2776, 0x2780, 0x278A) for n in range(9)}  # in circles
_PLAIN_OF |= {code: normalize("NFKC", chr(code)) for code in range(0x1D400, 0x1D800)}  # bold letters of mathematics

_LAYERS = 12
"""Of markup around one text, at most: more is no markup."""
_RULE = re.compile(r"\s*(?:(?:[-*_=~#]\s*){3,}|[#*_]{1,3}\s*)")
_BLOCK = re.compile(r"\s*[|>]-?\s*")
"""How YAML begins a text of several lines."""
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[\w+-]*\s*")
_TAG = re.compile(r"</[\w.-]{1,40}>")
_OPENING = re.compile(r"\A<(?:p|div|span|b|strong|i|em)>", re.IGNORECASE)
_COUNT = r"(?:approx(?:imately|\.)?\s*|about\s*|~\s*)?[0-9]{1,5}\s*(?:words?)?"
_WORD_COUNT = re.compile(
    rf"[*_]*[(\[](?=[^)\]]*word)(?:(?:word\s+count|words)\s*[:=]?\s*)?{_COUNT}[)\]][*_]*"
    rf"|[*_\s-]*(?:word\s+count|number\s+of\s+words|words)\s*[*_]*\s*[:=]\s*[*_]*\s*{_COUNT}\.?[*_]*",
    re.IGNORECASE,
)
_GOODBYE = re.compile(
    r"[(*_]*(?:i hope (?:this|these|it|that)|let me know|please let me know|feel free|would you like|"
    r"if you (?:need|would like|want|have any)|(?:please )?note(?: that|:)?[*_]* (?:both|these|the) (?:two )?summaries|"
    r"(?:both|these)(?: two)? summaries)\b[^\n]*",
    re.IGNORECASE,
)
"""What a model adds behind the last part, in a paragraph of one line."""
_QUOTED = re.compile(r"\A(?:\s*>)*+ ?")
_QUOTES = {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb", "**": "**", "*": "*", "__": "__", "_": "_"}


def whole_characters(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which JSON can escape and no file in UTF-8 holds."""
    return HALF_PAIR.sub("\ufffd", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def plain(answer: str) -> str:
    """An answer with line ends of one kind and without a byte order mark."""
    return _LINE_END.sub("\n", whole_characters(answer)).removeprefix("\ufeff")


def usual(text: str) -> str:
    """The text with an ASCII character for each dash, colon, space, quote and dressed-up letter; as long as before."""
    return text.translate(_PLAIN_OF)


def cleaned(text: str) -> str:
    """A part's text without what stands around it.

    That is white space, rules, code fences, a closing tag, a word count, quotation marks or emphasis around the whole,
    an offer of further help behind it, and the > before each line.
    """
    for _ in range(_LAYERS):
        before = text
        text = _without_fences(_without_rules(text.strip()))
        text = _without_word_count(_without_goodbye(_without_tag(text)))
        text = _unwrapped(_unquoted(text)).strip()
        if text == before:
            break
    return text


def _without_rules(text: str) -> str:
    lines = text.split("\n")
    while lines and (not lines[-1].strip() or _RULE.fullmatch(lines[-1])):
        lines.pop()
    while lines and (not lines[0].strip() or _RULE.fullmatch(lines[0]) or _BLOCK.fullmatch(lines[0])):
        lines.pop(0)
    return "\n".join(lines)


def _without_fences(text: str) -> str:
    """A fence around the whole is taken away, and one at an end whose other half is in another part."""
    lines = text.split("\n")
    count = sum(_FENCE.fullmatch(line) is not None for line in lines)
    first, last = bool(_FENCE.fullmatch(lines[0])), bool(_FENCE.fullmatch(lines[-1]))
    if count == 2 and first and last:
        return "\n".join(lines[1:-1])
    if count % 2 and last:
        return "\n".join(lines[:-1])
    return "\n".join(lines[1:]) if count % 2 and first else text


def _without_tag(text: str) -> str:
    """Without </summary_1> at the end, and without the <p> at the beginning that </p> at the end closes."""
    at = text.rfind("</")
    if at < 0 or not _TAG.fullmatch(text[at:]):
        return text
    return _OPENING.sub("", text[:at])


def _without_word_count(text: str) -> str:
    """Without "(253 words)" as the last words or the last line, or as the first line."""
    head, _, tail = text.rpartition("\n")
    if _WORD_COUNT.fullmatch(tail.strip()):
        return head
    opened = max(text.rfind("("), text.rfind("["))
    if opened > 0 and len(text) - opened < 60 and _WORD_COUNT.fullmatch(text[opened:].strip()):
        return text[:opened]
    first, _, rest = text.partition("\n")
    return rest if rest and _WORD_COUNT.fullmatch(first.strip()) else text


def _without_goodbye(text: str) -> str:
    head, _, tail = text.rpartition("\n")
    above = head.rpartition("\n")[2]
    stands_apart = bool(head) and (not above.strip() or _RULE.fullmatch(above) is not None)
    return head if stands_apart and _GOODBYE.fullmatch(tail.strip()) else text


def _unquoted(text: str) -> str:
    lines = text.split("\n")
    if all(line.lstrip().startswith(">") for line in lines if line.strip()):
        return "\n".join(_QUOTED.sub("", line) for line in lines)
    return text


def _unwrapped(text: str) -> str:
    """Without quotation marks or emphasis that open at its beginning and close at its end, and not in between."""
    for opening, closing in _QUOTES.items():
        inside = text.removeprefix(opening).removesuffix(closing)
        if len(text) - len(inside) == len(opening) + len(closing) and opening not in inside and closing not in inside:
            return inside
    # emphasis that a label opened: **Summary 1: the text**
    for mark in ("**", "__"):
        if text.endswith(mark) and text.count(mark) == 1:
            return text.removesuffix(mark)
    return text
