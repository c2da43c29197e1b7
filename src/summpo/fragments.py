"""Extractive fragments: the runs of words that a summary takes over from its document. Grusky et al., 1804.11283."""

import re
from collections import defaultdict
from collections.abc import Sequence

WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Lower-case words and punctuation marks, each one an entry."""
    return WORD.findall(text.lower())


def fragments(document: Sequence[str], summary: Sequence[str]) -> list[int]:
    """Lengths of the summary's fragments: from left to right, the longest run that the document has too. Fig. 3."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(document):
        places[word].append(place)
    found, at = [], 0
    while at < len(summary):
        longest = max((_shared(document, place, summary, at) for place in places.get(summary[at], ())), default=0)
        if longest:
            found.append(longest)
        at += max(1, longest)
    return found


def _shared(document: Sequence[str], place: int, summary: Sequence[str], at: int) -> int:
    """How many words from `place` and from `at` on are the same."""
    limit = min(len(document) - place, len(summary) - at)
    return next((n for n in range(limit) if document[place + n] != summary[at + n]), limit)


def coverage(document: str, summary: str) -> float:
    """Share of the summary's words that stand in a fragment, 0 to 1; 0 for an empty summary. Eq. 1."""
    words = words_of(summary)
    return sum(fragments(words_of(document), words)) / len(words) if words else 0.0


def density(document: str, summary: str) -> float:
    """Mean length, over the summary's words, of the fragment that a word stands in; 0 for an empty summary. Eq. 2."""
    words = words_of(summary)
    return sum(n * n for n in fragments(words_of(document), words)) / len(words) if words else 0.0
