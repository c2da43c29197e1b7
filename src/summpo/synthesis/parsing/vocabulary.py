"""The words of labels, as models write them, and the patterns of a line that begins with one.

Every pattern has the groups `prefix` (bullets, headings, emphasis, emoji, an item's number: whatever is no letter)
and, where it has them, `number`, `place` or `bare` (of a summary), `before` (between label and colon), `criterion` and
`reason` (an explanation's word). They are matched at the beginning of a line, in its `marks.usual` characters.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from summpo.synthesis.parsing.parts import CRITERIA

_PREFIX = r"(?P<prefix>[\W_]*+(?:(?:[0-9]{1,2}|[a-gA-G])[.):](?=[\s*_#>-])[\W_]*+)?)"
_GAP = r"[\s_]+"
_THE = rf"(?:(?:the|this|its){_GAP})?"

_NUMBER = r"(?P<number>[0-9]{1,2}|one|two|three|a|b|c|i{1,3})(?![^\W_])[)\]]?"
_REFERENCE = (
    rf"{_THE}(?:summary[\s_]*(?:\#|no\.|number|nr\.)?[\s_*(\[]*+{_NUMBER}"
    rf"|(?P<place>first|second|third|1st|2nd|3rd){_GAP}summary(?![^\W_]))(?:'s)?"
)
_BARE = r"(?P<bare>[12])(?![^\W_]|[/.+-]|\s*(?:to|out|of)\s*[0-9])"
_ABOUT = rf"(?:[\s_]*(?:(?:of|for|on){_GAP}|[-(,][\s_]*)?(?:{_REFERENCE}|{_BARE}))?"
_WITH = r"(?:[\s_]*[-:][\s_*]*|[\s_]+)"

_SCORE = rf"{_THE}(?:(?:overall|total|final|combined|average)[\s_]*)*scores?"
_WEAK_SCORE = r"(?:(?:overall|total|final|combined)[\s_]*)*(?:points|ratings?|marks|total|sum|overall)"
_EXPLANATION = (
    rf"{_THE}(?:(?:brief|short|score|overall|total){_GAP})*"
    r"(?P<reason>explanations?|rationale|justification|reasoning|reasons?|comments?|feedback|critique)"
    rf"(?:{_GAP}(?:of|for){_GAP}(?:(?:the|this|its|total|overall){_GAP})*(?:scores?|ratings?))?"
)
_ASIDE = (
    rf"(?:(?:overall|total){_GAP})?"
    r"(?:evaluations?|assessments?|scoring|scores|judge?ments?|criteria|ratings?|analysis)"
)
_TEXT = r"(?:text|content|version)"
_OF_TWO = rf"(?:{_GAP}of{_GAP}the{_GAP}two)?"
_BEST = (
    rf"{_THE}(?:(?:overall|final|my){_GAP})*"
    rf"(?:(?:best|better|preferred|winning|chosen)[\s_]*(?:overall{_GAP})?(?:summary|one|version|choice|option){_OF_TWO}"
    r"|winner|verdict)"
)
_WEAK_BEST = rf"{_THE}(?:(?:overall|final|my){_GAP})*(?:best|better|preferred|preference|choice|pick){_OF_TWO}"
_CRITERION = rf"(?P<criterion>{'|'.join(CRITERIA)})(?:{_GAP}score)?"

_FILL = r"(?:[^\w:=.(\[>-]|_)*+"
_BEFORE = rf"(?P<before>{_FILL}(?:[(\[][^()\[\]\n]{{0,80}}[)\]]{_FILL})?)"
_END = rf"{_BEFORE}(?:[:=>]+|-+(?=[\s*_]|\Z)|\.(?=[\s*_]*\Z)|\Z)"
_IS = r"[\s_*]+is\b(?=[\s:*_])"
_END_OR_IS = rf"(?:{_IS}|{_END})"
_END_OR_NUMBER = rf"(?:{_IS}|[\s_*]+(?=[0-9]{{1,2}}(?:[\s/.*]|\Z))|{_END})"
_NUMBER_FOLLOWS = rf"{_BEFORE}(?:[:=]+|-+(?=[\s*_])|(?=[0-9]))"


def _line(words: str, end: str = _END) -> re.Pattern[str]:
    return re.compile(_PREFIX + words + end, re.IGNORECASE)


PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("score", _line(_REFERENCE + _WITH + _SCORE, _END_OR_NUMBER)),
    ("weak_score", _line(_REFERENCE + _WITH + _WEAK_SCORE)),
    ("explanation", _line(_REFERENCE + _WITH + _EXPLANATION)),
    ("aside", _line(_REFERENCE + _WITH + _ASIDE)),
    ("summary", _line(_REFERENCE + _WITH + _TEXT)),
    ("summary", _line(_REFERENCE)),
    ("best", _line(_BEST, _END_OR_IS)),
    ("score", _line(_SCORE + _ABOUT, _END_OR_NUMBER)),
    ("explanation", _line(_EXPLANATION + _ABOUT)),
    ("aside", _line(_ASIDE + _ABOUT)),
    ("criterion", _line(_CRITERION, _NUMBER_FOLLOWS)),
    ("weak_score", _line(_WEAK_SCORE + _ABOUT)),
    ("weak_best", _line(_WEAK_BEST, _END_OR_IS)),
)
"""What a line may begin with, in the order in which it is tried; a weak word needs behind it what it announces."""
NUMBERS = MappingProxyType(
    {"one": 1, "a": 1, "i": 1, "first": 1, "1st": 1}
    | {"two": 2, "b": 2, "ii": 2, "second": 2, "2nd": 2}
    | {"three": 3, "c": 3, "iii": 3, "third": 3, "3rd": 3}
)
"""What names of numbers mean."""
