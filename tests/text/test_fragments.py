"""Extractive fragments, by hand and by the definition written out slowly."""

from hypothesis import given
from hypothesis import strategies as st

from summpo.text.fragments import coverage, density, fragments, fragments_of
from summpo.text.words import words_of

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


def test_scripts_without_spaces() -> None:
    """Of 港口购买电动船。 the runs 港口, 购买电动船 and 。 stand in the document: all 8 entries, 4 + 25 + 1 over 8."""
    document, summary = "今年春天，港口委员会决定购买电动船，报告0。", "港口购买电动船。"
    assert fragments_of(document, words_of(summary)) == [2, 5, 1]
    assert (coverage(document, summary), density(document, summary)) == (1.0, 30 / 8)
    assert coverage(document, "河流淤塞") == 0


@given(st.lists(st.tuples(texts.map(" ".join), texts), max_size=6))
def test_what_is_remembered_of_a_document_changes_nothing(pairs: list[tuple[str, list[str]]]) -> None:
    for document, summary in pairs:
        assert fragments_of(document, summary) == fragments(document.split(), summary)
