"""Which judged pairs are worth training on. Pure: a pair and thresholds in, a reason or none out.

The thresholds for copying, measured: of 153 summaries of long documents by people one is over a density of 10 or half
in one run; of 300 extracts made of eight sentences of a document 95% are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from summpo.errors import require_number
from summpo.synthesis.languages import foreign_script, other_language, suspicion
from summpo.synthesis.records import JudgedPair
from summpo.text.documents import Rejected
from summpo.text.fragments import fragments_of
from summpo.text.words import words_of, worth_of

REASONS = (
    "too_similar",
    "scores_tied",
    "too_short",
    "longer_than_document",
    "copied",
    "wrong_language",
    "duplicate_document",
    "duplicate_summary",
)
"""Why a pair is dropped, in the order in which it is asked: the first that applies is counted."""


@dataclass(frozen=True)
class Filters:
    """The thresholds; null switches one off."""

    max_similarity: float | None = 0.75
    """How similar the two summaries may be: 1 - Levenshtein distance / the longer's length, in characters."""
    tied_score_difference: float | None = 1.0
    """Where the chosen summary scores higher by this or less, the two are tied and the pair is dropped."""
    min_characters: int | None = 40
    """A summary has at least so many characters; one of Chinese, Japanese or Korean, as wide as two, counts as two."""
    max_length_ratio: float | None = 1.0
    """A summary may be this many times as long as its document, in characters."""
    max_verbatim: float | None = 0.5
    """The longest run of words that a summary takes over from its document, as a share of the summary, at most."""
    max_density: float | None = 10.0
    """The mean length of the run that a word of the summary is taken over in (1804.11283, eq. 2), at most. A character
    of Chinese or Japanese counts as two thirds of a word here, one of Thai, Lao, Khmer or Burmese as a quarter."""
    min_common_words: float | None = 0.12
    """The share of a summary's words among its document's 30 commonest, at least. With less it is in another language
    where its letters say so too: many languages have no common words, for their endings."""
    drop_duplicates: bool = True
    """Drop a document that was there before, and a summary that another document has too."""

    def __post_init__(self) -> None:
        for key, high in (("max_similarity", 1), ("max_verbatim", 1), ("min_common_words", 1)):
            if getattr(self, key) is not None:
                require_number(f"filters.{key}", getattr(self, key), low=0, high=high)
        for key in ("tied_score_difference", "min_characters", "max_length_ratio", "max_density"):
            if getattr(self, key) is not None:
                require_number(f"filters.{key}", getattr(self, key), low=0)

    def reason(self, pair: JudgedPair) -> Rejected | None:
        """The first reason against a pair by itself, with the measured value; None where there is none."""
        checks = (self._similar, self._tied, self._length, self._copied, self._language)
        return next((found for check in checks if (found := check(pair)) is not None), None)

    def _similar(self, pair: JudgedPair) -> Rejected | None:
        if self.max_similarity is None:
            return None
        found = similarity(pair.chosen, pair.rejected)
        return Rejected("too_similar", f"{found:.3f}") if found > self.max_similarity else None

    def _tied(self, pair: JudgedPair) -> Rejected | None:
        if self.tied_score_difference is None or pair.score_chosen - pair.score_rejected > self.tied_score_difference:
            return None
        return Rejected("scores_tied", f"{pair.score_chosen:g} and {pair.score_rejected:g}")

    def _length(self, pair: JudgedPair) -> Rejected | None:
        sizes = [len(text) for text in (pair.chosen, pair.rejected)]
        if self.min_characters is not None and min(map(_width, (pair.chosen, pair.rejected))) < self.min_characters:
            return Rejected("too_short", f"{min(sizes)} characters")
        if self.max_length_ratio is not None and max(sizes) > self.max_length_ratio * len(pair.document.text):
            return Rejected("longer_than_document", f"{max(sizes)} characters of {len(pair.document.text)}")
        return None

    def _copied(self, pair: JudgedPair) -> Rejected | None:
        if self.max_verbatim is None and self.max_density is None:
            return None
        for text in (pair.chosen, pair.rejected):
            words = words_of(text)
            count = max(1, len(words))
            runs = fragments_of(pair.document.text, words)
            longest = max(runs, default=0) / count
            # a run of ten characters of Chinese is shorter than one of ten words
            density = sum(run * run for run in runs) / count * worth_of(words)
            if self.max_verbatim is not None and longest > self.max_verbatim:
                return Rejected("copied", f"a run of {longest:.0%} of the summary")
            if self.max_density is not None and density > self.max_density:
                return Rejected("copied", f"density {density:.1f}")
        return None

    def _language(self, pair: JudgedPair) -> Rejected | None:
        if self.min_common_words is None:
            return None
        for text in (pair.chosen, pair.rejected):
            if (script := foreign_script(pair.document.text, text)) is not None:
                return Rejected("wrong_language", f"in {script.lower()} letters, of which the document has none")
            why = suspicion(pair.document.text, text, self.min_common_words)
            if why is not None and (other := other_language(pair.document.text, text)) is not None:
                return Rejected("wrong_language", f"{why}, and its letters are those of another language ({other})")
        return None


@dataclass(frozen=True)
class Filtered:
    """What is kept, and what is not, with why; both in the order of the documents' ids."""

    kept: tuple[JudgedPair, ...]
    dropped: tuple[tuple[JudgedPair, Rejected], ...]


def filtered(pairs: Iterable[JudgedPair], filters: Filters) -> Filtered:
    """Asks every pair for a reason against it, and drops what repeats a pair that is kept.

    The order in which the pairs come makes no difference: they are taken by the ids of their documents.
    """
    kept: list[JudgedPair] = []
    dropped: list[tuple[JudgedPair, Rejected]] = []
    documents: dict[str, str] = {}
    summaries: dict[str, str] = {}
    for pair in sorted(pairs, key=lambda pair: pair.document.id):
        why = filters.reason(pair)
        if why is None and filters.drop_duplicates:
            why = _duplicate(pair, documents, summaries)
        if why is not None:
            dropped.append((pair, why))
            continue
        kept.append(pair)
        documents[_same(pair.document.text)] = pair.document.id
        summaries |= {_same(text): pair.document.id for text in (pair.chosen, pair.rejected)}
    return Filtered(tuple(kept), tuple(dropped))


def _duplicate(pair: JudgedPair, documents: dict[str, str], summaries: dict[str, str]) -> Rejected | None:
    if (other := documents.get(_same(pair.document.text))) is not None:
        return Rejected("duplicate_document", f"the text of {other}")
    known: Sequence[str] = [name for text in (pair.chosen, pair.rejected) if (name := summaries.get(_same(text)))]
    return Rejected("duplicate_summary", f"a summary of {known[0]}") if known else None


def similarity(one: str, other: str) -> float:
    """How similar two texts are, 0 to 1: 1 - Levenshtein distance / the longer's length, in characters.

    White space is collapsed, and every insertion, deletion or substitution costs 1. A text that is at most three
    quarters as long as another is never more than 0.75 similar to it, also where it is its beginning.
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(_same(one), _same(other))


def _width(text: str) -> int:
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)


def _same(text: str) -> str:
    """The text by which two are compared: white space collapsed."""
    return " ".join(text.split())
