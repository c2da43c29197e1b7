"""Extractive fragments: the runs of words that a summary takes over from its document. Grusky et al., 1804.11283."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from summpo.text.words import words_of


def fragments(document: Sequence[str], summary: Sequence[str]) -> list[int]:
    """Lengths of the summary's fragments: from left to right, the longest run that the document has too. Fig. 3."""
    return _fragments(document, _places(document), summary)


def fragments_of(document: str, summary: Sequence[str]) -> list[int]:
    """The same of a document's text; that of the last is remembered, as completions come by their documents."""
    return _fragments(*_read(document), summary)


def coverage(document: str, summary: str) -> float:
    """Share of the summary's words that stand in a fragment, 0 to 1; 0 for an empty summary. Eq. 1."""
    words = words_of(summary)
    return sum(fragments_of(document, words)) / len(words) if words else 0.0


def density(document: str, summary: str) -> float:
    """Mean length, over the summary's words, of the fragment that a word stands in; 0 for an empty summary. Eq. 2."""
    words = words_of(summary)
    return sum(n * n for n in fragments_of(document, words)) / len(words) if words else 0.0


@lru_cache(maxsize=1)
def _read(document: str) -> tuple[Sequence[str], Mapping[str, Sequence[int]]]:
    words = words_of(document)
    return words, _places(words)


def _places(document: Sequence[str]) -> Mapping[str, Sequence[int]]:
    """Where each word of the document stands."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(document):
        places[word].append(place)
    return places


def _fragments(document: Sequence[str], places: Mapping[str, Sequence[int]], summary: Sequence[str]) -> list[int]:
    found, at = [], 0
    while at < len(summary):
        longest = _longest(document, places.get(summary[at], ()), summary, at)
        if longest:
            found.append(longest)
        at += max(1, longest)
    return found


def _longest(document: Sequence[str], places: Sequence[int], summary: Sequence[str], at: int) -> int:
    """The length of the longest run that starts at one of the document's places and at the summary's `at`."""
    longest, rest = 0, len(summary) - at
    for place in places:
        limit = min(len(document) - place, rest)
        # only a run that goes further than the longest so far is looked at word by word
        if longest < limit and document[place + longest] == summary[at + longest]:
            longest = max(longest, next((n for n in range(limit) if document[place + n] != summary[at + n]), limit))
        if longest == rest:
            break
    return longest
