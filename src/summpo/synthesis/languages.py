"""Whether a summary is in the language of its document, told by the document itself: no model, no list of words.

Two texts of one language share their scripts and their commonest words. Measured on 1,500 English documents: of the
words of an English text at least 16% (but for one transcript of noises) are among the document's 30 commonest, of a
text in German, French, Spanish, Dutch, Italian, Portuguese, Swedish or Polish at most 8% to 16%, mostly 0 to 6%.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""Scripts whose words no space parts: only their script is compared."""
_COMMONEST = 30
_FEWEST_WORDS = 20
"""With fewer words in the summary, chance decides."""
_PRESENT, _FOREIGN = 0.02, 0.2
"""A script is a document's own from this share of its letters on; a summary may have less than that of others."""


def foreign_script(document: str, summary: str) -> str | None:
    """The script of which the summary has a fifth of its letters or more, and the document next to none."""
    own, used = _scripts(document), _scripts(summary)
    if not own:
        return None
    return next((name for name, share in used.items() if share >= _FOREIGN and own.get(name, 0) < _PRESENT), None)


def common_share(document: str, summary: str) -> float | None:
    """The share of the summary's words that are among the document's commonest; None where that tells nothing.

    It tells nothing of few words, nor of scripts without spaces.
    """
    words = _WORD.findall(summary.lower())
    if len(words) < _FEWEST_WORDS or any(name in _UNSPACED for name in _scripts(summary)):
        return None
    counted = Counter(_WORD.findall(document.lower()))
    if len(counted) <= _COMMONEST:
        return None
    commonest = {word for word, _ in counted.most_common(_COMMONEST)}
    return sum(word in commonest for word in words) / len(words)


def _scripts(text: str) -> dict[str, float]:
    """The scripts of a text, by their share of its letters; those with a hundredth or less are left out."""
    counted = Counter(_script(character) for character in text if character.isalpha())
    total = counted.total()
    return {name: count / total for name, count in counted.most_common() if count / total > 0.01}


@lru_cache(maxsize=65536)
def _script(letter: str) -> str:
    """LATIN, CYRILLIC, CJK ...: the first word of a letter's name."""
    return unicodedata.name(letter, "UNNAMED").split()[0]
