"""Whether a text is an excuse instead of a summary: its first sentence says that whoever writes will or can not.

An excuse is about the writer's own task. "I cannot forget the war" is none: to forget is not what was asked.
"""

from __future__ import annotations

import re

_TASK = (
    r"(?:summari[sz]e|provide|produce|create|generate|write|give|offer|help|assist|comply|fulfil|continue|proceed|do"
    r"|complete|process|access|open|view|read|see|find|judge|evaluate|answer|engage|discuss|share|have)"
)
_WILL_NOT = (
    r"(?:can(?:'|no)?t|cannot|can\snot|could(?:n't|\snot)|wo(?:n't|uld\snot)|will\snot|do(?:n't|\snot)"
    r"|(?:'m|\sam)\s(?:not\sable\sto|unable\sto))"
)
_DOCUMENT = r"(?:document|text|article|content|passage|input|material)s?"
_EXCUSE = re.compile(
    rf"""^[^\w]*(?:
      (?:i(?:'m|\sam)?\s(?:very\s|so\s|really\s)?(?:sorry|apologi[sz]e|afraid)|sorry[,.!]|my\sapologies)\b
      |as\san?\s(?:ai\b|(?:large\s)?language\smodel|(?:ai\s)?assistant)
      |(?:[\w']+,?\s){{0,4}}?i\s?{_WILL_NOT}(?:\s\w+ly)?\s{_TASK}\b
      |(?:[\w']+,?\s){{0,4}}?i\s?(?:(?:must|have\sto|will)\s(?:respectfully\s)?decline|'d\srather\snot|would\srather\snot)
      |(?:[\w']+,?\s){{0,4}}?it(?:'s|\sis)\s(?:not\s|im)possible\s(?:for\sme\s)?to\s{_TASK}\b
      |(?:(?:this|the|that|your|given|provided)\s){{1,2}}{_DOCUMENT}\s
        (?:(?:can(?:'|no)?t|cannot|can\snot|could(?:n't|\snot))\sbe\s(?:summari[sz]ed|accessed|opened|read|found|processed)
        |(?:is|was|are|were)\s(?:not\s(?:provided|given|included|available)|missing|empty))
      |no\s{_DOCUMENT}\s(?:is|was|were|has\sbeen)\s(?:provided|given|included)
      |(?:please|(?:could|can|would)\syou(?:\splease)?)\s(?:provide|share|paste|send|upload|give)\b[^.?!\n]{{0,60}}\b{_DOCUMENT}
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_EMPHASIS = re.compile(r"[*_`#>]")
_POINTS_ELSEWHERE = re.compile(
    r"^[^\w]*(?:the\s)?(?:same\sas|see|as)\s(?:in\s)?(?:the\s)?(?:summary\b|first\b|above\b)", re.IGNORECASE
)


def is_excuse(text: str) -> bool:
    """Whether a text in its `usual` characters begins as an excuse does."""
    return _EXCUSE.match(_EMPHASIS.sub("", text)) is not None


def points_elsewhere(text: str) -> bool:
    """Whether a text stands for another: "Same as Summary 1, but shorter"."""
    return _POINTS_ELSEWHERE.match(text) is not None
