"""The text of a summary without what is put around it; and what is none: an excuse, a placeholder, a leftover label.

Only the ends of a text are cut: what is left is a run of the answer, letter by letter.
"""

from __future__ import annotations

import re

from summpo.synthesis.answer_parts import Unreadable
from summpo.synthesis.choices import is_goodbye

_EDGE = re.compile(r"\s*+(?:(?:[-*_=~#]\s*)*+|[|>]-?\s*|(?:`{3,}|~{3,})[\w+-]*\s*)")
"""A line at the beginning or the end of a part that is no text: empty, a rule, a code fence, YAML's mark of a block."""
_COUNT = re.compile(
    r"\s*[*_]*[(\[](?=[^()\[\]]*word)(?:word\s+count\s*:\s*)?(?:about\s|~\s*)?[0-9]{1,5}(?:\s*words?)?[)\]][*_.]*\Z"
    r"|\n[*_\s-]*(?:word\s+count|words)[\s*_]*[:=][\s*_]*[0-9]{1,5}(?:\s*words)?[.*_]*\Z",
    re.IGNORECASE,
)
_END = 80
"""Characters at the end of a summary, in which a count of its words may stand."""
_QUOTES = {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb", "**": "**", "*": "*", "__": "__", "_": "_"}
_PLACEHOLDER = re.compile(
    r"[\[<{(](?:the |your )?(?:first|second|1st|2nd|summary|insert|write|text)\b[^\[\]<>{}()\n]{0,200}[\]>})]|[\W_]+"
    r"|\W*(?:n/?a|none|null|nil|tbd|todo|string|text|summary)\W*|\W*(?:the\s)?(?:(?:same\sas|see|like|as)\s(?:in\s)?(?:the\s)?(?:summary|first|above)"
    r"|summary\s?[12])\b.*",
    re.IGNORECASE | re.DOTALL,
)
_LEFTOVER = re.compile(
    r"""^(?:</?\w{1,10}>|[^\w\n])*+(?:summary[\s_\#*]*(?:\d{1,2}|[a-c]|[ivx]{1,4}|one|two|three)
          |(?:first|second)\ summary|(?:(?:total|overall|final|best|better)[\s_]*)+(?:score|summary|explanation)
          |scores?|scoring|marks|ratings?|explanation|word\ counts?|words)
        [\s_]*[12]?[^\w\n]*?(?:[:=>|<\uff1a]|$)
      |^[^\w\n]*+[^\W\d]+[\s_][1-4][\s*_]*[:\uff1a]
      |^[^\w\n]*+(?:the[^\w\n]+)?(?:\w+[^\w\n]+)?score[^\w\n]+(?:is[^\w\n]+)?\d
      |^[^\w\n]*+(?:coherence|consistency|relevance|fluency)\b\W*\d
      |^[^\w\n]*+(?:total|overall|rating|points|winner|best|better|verdict)\W+(?:summary\s)?\d\d?
        (?:\s*/\s*\d+|\s+out\ of\ \d+)?\W*$
      |\b(?:total\ score|best\ summary)\W{0,3}:\W{0,4}\d|</?(?:summary|total|score|explanation|best|better)|<\|
      |"(?:summary|text|total|score|explanation|best|better)[\w\ ]{0,12}"\s*:""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
"""A label of a prompt, in any dress: what holds one was not taken apart as it was meant."""
_NO_PROSE = re.compile(
    r"""</?[a-z][\w-]*>|\A[:>|=]|[\[<{(](?:insert|your|todo)\b|^[ \t]*(?:[-*_=][ \t]*){3,}$|^\s*```(?![^`]*^\s*```)
      |^[^\w\n]*+(?:\w+,\ )?(?:the\ )?summary\ [12]\ (?:is|was|has|wins|could|should)\b|(?:^|[.!?]\s)\W*as\ an\ ai\b
      |(?:^|[.!?]\s)\W*(?:\w+,?\s)?i\s?(?:can(?:not|'t|\u2019t|\snot)|(?:'m|\u2019m|am)\s(?:unable|not\sable)\sto|won(?:'|\u2019)t)
        \s(?:continue|provide|complete|help|assist|summari|generate|produce|write|access|read)
      |\n[^\w\n]*+(?:note\b|(?:both|this|these|the\ (?:two|first|second))\ summar(?:y|ies)\b
        |i(?:\ (?:have|kept|made|tried|wrote|can|could|would|will|also|am|hope)|'m|'ve|'ll)\b).*\Z
      |^[^\w\n]*+(?:evaluations?|assessment|judge?ment|analysis)(?:\sof\s[^\n]{1,20})?\W*\Z""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
"""What a summary's running prose does not hold: tags, rules, a refusal, a last line about the summary or its writer."""
_DOCUMENT = r"(?:document|text|article|content|passage)s?"
_EXCUSE = re.compile(
    rf"""\W*(?:sorry[,.!]|my\sapologies\b|as\san?\s(?:ai|(?:large\s)?language\smodel|(?:ai\s)?assistant)\b
      |(?:[\w']+,?\s){{0,4}}?i\b(?:'m|\sam)?(?:\s\w+)?\s?(?:sorry|apologi[sz]e|afraid|unable|not\sable|decline|'d\srather|rather\snot
        |(?:can|could|wo|would|do)(?:not|n't|'t|nt)|(?:can|could|will|would|do)\snot)\b
      |(?:[\w']+,?\s){{0,4}}?it(?:'s|\sis)\s(?:not\s|im)possible\b
      |(?:\w+\s){{0,3}}?{_DOCUMENT}\s(?:(?:can|could)(?:not|n't|'t|\snot)\sbe\s(?:summari|acces|open|read|found|process)
        |(?:is|was)\s(?:not\s(?:provided|given|included|available)|missing|empty))
      |no\s{_DOCUMENT}\s(?:is|was|were|has\sbeen)\s(?:provided|given|included)
      |(?:please|(?:can|could|would)\syou)\b.{{0,60}}\b{_DOCUMENT}\b)""",
    re.IGNORECASE | re.VERBOSE,
)


def is_excuse(text: str) -> bool:
    """Whether a text begins as an excuse does: that whoever writes will or can not."""
    return _EXCUSE.match(" ".join(re.sub(r"[*_`#>]", "", text[:400]).replace("\u2019", "'").split())) is not None


def without_edges(text: str) -> str:
    """A part's text without white space, rules and fences at its ends, and without quotation marks around the whole."""
    lines = text.split("\n")
    while lines and _EDGE.fullmatch(lines[-1]):
        lines.pop()
    while lines and _EDGE.fullmatch(lines[0]):
        lines.pop(0)
    text = "\n".join(lines).strip()
    for opening, closing in _QUOTES.items():
        inside = text.removeprefix(opening).removesuffix(closing)
        if len(text) - len(inside) == len(opening) + len(closing) and opening not in inside and closing not in inside:
            return inside.strip()
    # emphasis that a label opened: **Summary 1: the text**
    return text.removesuffix("**") if text.endswith("**") and text.count("**") == 1 else text


def summary_in(text: str, number: int) -> str:
    """The summary that stands under a label, without a count of its words or an offer of help behind it.

    Raises:
        Unreadable: it is an excuse, a placeholder, or holds what is no part of it.
    """
    summary = without_edges(text)
    head, _, last = summary.rpartition("\n")
    if head and _EDGE.fullmatch(head.rpartition("\n")[2]) and is_goodbye(last):
        summary = head
    summary = without_edges(summary[:-_END] + _COUNT.sub("", summary[-_END:]))
    if is_excuse(summary):
        raise Unreadable("refusal", " ".join(summary.split())[:120])
    if _PLACEHOLDER.fullmatch(summary) or not summary:
        raise Unreadable("placeholder", f"summary {number} is {text.strip()[:80]}")
    if odd := _NO_PROSE.search(summary):
        raise Unreadable("unexpected_part", f"within summary {number} stands {odd[0].strip()[:80]!r}")
    require_no_label(summary)
    return summary


def require_no_label(text: str) -> None:
    """Guards that what stands under a label holds no other, which would then not be taken apart as it was meant."""
    if odd := _LEFTOVER.search(text):
        raise Unreadable("unexpected_part", f"within a part stands {odd[0].strip()[:80]!r}")
