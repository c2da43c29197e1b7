"""Extractive fragments, by hand and by the definition written out slowly."""

from hypothesis import given
from hypothesis import strategies as st

from summpo.fragments import coverage, density, fragments, words_of

texts = st.lists(st.sampled_from("abc"), max_size=12)


def slowly(document: list[str], summary: list[str]) -> list[int]:
    """At each place the longest prefix of the rest of the summary that is a run of the document, or one word on."""
    found = []
    while summary:
        runs = [document[i:j] for i in range(len(document)) for j in range(i + 1, len(document) + 1)]
        longest = max((n for n in range(1, len(summary) + 1) if summary[:n] in runs), default=0)
        found += [longest] * (longest > 0)
        summary = summary[max(1, longest) :]
    return found


@given(texts, texts)
def test_equals_the_definition(document: list[str], summary: list[str]) -> None:
    assert fragments(document, summary) == slowly(document, summary)


def test_by_hand() -> None:
    """Document "a b c a b d", summary "a b d x c a": the run a b d (not a b alone), x in no run, then c a."""
    assert fragments(list("abcabd"), list("abdxca")) == [3, 2]
    assert coverage("a b c a b d", "a b d x c a") == 5 / 6
    assert density("a b c a b d", "a b d x c a") == (9 + 4) / 6


def test_words_are_lower_case_and_punctuation_stands_alone() -> None:
    assert words_of("Don't STOP, it's 3.5%!") == ["don't", "stop", ",", "it's", "3", ".", "5", "%", "!"]
