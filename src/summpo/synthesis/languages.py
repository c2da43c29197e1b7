"""Whether a summary is in the language of its document: by their scripts and by the document's commonest words.

Two texts of one language share their scripts and their commonest words. Measured on 1,500 English documents: of the
words of an English text at least 16% (but for one transcript of noises) are among the document's 30 commonest, of a
text in German, French, Spanish, Dutch, Italian, Portuguese, Swedish or Polish at most 8% to 16%, mostly 0 to 6%.

Where endings and particles make many words of one (Korean, Turkish, Finnish, Czech ...) few words are common, and a
sound summary may share hardly any. So few common words are a suspicion alone, and the letters decide: py3langid, which
knows 139 languages, must find that the summary is not in the document's. Chinese characters stand in Japanese and
Korean texts too: there a summary that hardly has the document's kana or hangul is what is suspected.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from summpo.text.words import letters_of, worth_of

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_COMMONEST = 30
_FEWEST_WORDS = 20
"""With fewer words in the summary, chance decides."""
_MOSTLY_SPACED = 0.9
"""What words are worth where white space parts most of them."""
_SYLLABLES = ("KANA", "HANGUL")
"""The scripts that stand beside Chinese characters."""
_PRESENT, _FOREIGN = 0.02, 0.2
"""A script is a document's own from this share of its letters on; a summary may have less than that of others."""
_UNLIKELY = 0.01
"""A summary is in another language where its document's has a lower probability."""


def foreign_script(document: str, summary: str) -> str | None:
    """The script of which the summary has a fifth of its letters or more, and the document next to none."""
    own, used = _scripts(document), _scripts(summary)
    if not own:
        return None
    foreign = (name for name, share in used.items() if share >= _FOREIGN and own.get(name, 0) < _PRESENT)
    goes_with = {"CJK"} if any(own.get(name, 0) >= _FOREIGN <= used.get(name, 0) for name in _SYLLABLES) else set[str]()
    return next((name for name in foreign if name not in goes_with), None)


def suspicion(document: str, summary: str, min_common_words: float) -> str | None:
    """Why a summary may be in another language than its document, which its letters must show, too."""
    share = common_share(document, summary)
    if share is not None:
        few = f"{share:.0%} of its words are among the document's commonest"
        return few if share < min_common_words else None
    return "it has hardly any of the document's kana or hangul" if lacks_syllables(document, summary) else None


def lacks_syllables(document: str, summary: str) -> bool:
    """Whether a document is in kana or hangul for a fifth or more, and its summary, which is long enough, is not."""
    own, used = (sum(_scripts(text).get(name, 0) for name in _SYLLABLES) for text in (document, summary))
    return own >= _FOREIGN > used and len(_spelled(summary)) >= _FEWEST_WORDS


def common_share(document: str, summary: str) -> float | None:
    """The share of the summary's words that are among the document's commonest; None where that tells nothing.

    It tells nothing of few words, nor of scripts without spaces.
    """
    words = _spelled(summary)
    if len(words) < _FEWEST_WORDS or worth_of(words) < _MOSTLY_SPACED:
        return None
    counted = Counter(_spelled(document))
    if len(counted) <= _COMMONEST:
        return None
    commonest = {word for word, _ in counted.most_common(_COMMONEST)}
    return sum(word in commonest for word in words) / len(words)


def other_language(document: str, summary: str) -> str | None:
    """The code of the summary's language where it is not the document's, by their letters."""
    identifier = _identifier()
    (own, _), *_ = identifier.rank(document)
    ranked = identifier.rank(summary)
    return ranked[0][0] if dict(ranked)[own] < _UNLIKELY else None


def _spelled(text: str) -> list[str]:
    """The words of a text without its numbers."""
    return [word for word in letters_of(text) if not word[0].isdigit()]


@lru_cache
def _identifier() -> LanguageIdentifier:
    # Here because it takes a second and 100 MB, which most pairs never ask for.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _scripts(text: str) -> dict[str, float]:
    """The scripts of a text, by their share of its letters; those with a hundredth or less are left out."""
    counted = Counter(_script(character) for character in text if character.isalpha())
    total = counted.total()
    return {name: count / total for name, count in counted.most_common() if count / total > 0.01}


@lru_cache(maxsize=65536)
def _script(letter: str) -> str:
    """LATIN, CYRILLIC, CJK ...: the first word of a letter's name, whatever its width; KANA for both kinds."""
    name = unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "UNNAMED")
    return "KANA" if name.startswith(("HIRAGANA", "KATAKANA")) else "CJK" if "IDEOGRA" in name else name.split()[0]
