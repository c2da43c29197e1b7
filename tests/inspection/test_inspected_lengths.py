"""How often the longer was chosen: every number worked by hand on a few pairs, and the real comparisons."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.inspection.lengths import (
    Lengths,
    LongerChosen,
    histogram,
    length_tendencies,
    lengths_of,
    longer_by_difference,
    longer_by_source,
    longer_chosen,
)
from summpo.models.weights.loading import load_tokenizer
from summpo.text.encoding import text_tokens
from support.inspected import pair

counts = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=40)


def sides(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    chosen, rejected = zip(*pairs, strict=True)
    return np.array(chosen), np.array(rejected)


class TestLongerChosen:
    def test_ties_are_told_apart(self) -> None:
        """3 > 1, 5 > 4, 2 = 2, 1 < 9."""
        counted = longer_chosen(np.array([3, 5, 2, 1]), np.array([1, 4, 2, 9]))
        assert counted == LongerChosen(pairs=4, longer=2, shorter=1, same=1)
        assert counted.share == 0.5

    @given(counts)
    def test_a_swap_turns_longer_to_shorter(self, pairs: list[tuple[int, int]]) -> None:
        chosen, rejected = sides(pairs)
        one, other = longer_chosen(chosen, rejected), longer_chosen(rejected, chosen)
        assert (one.longer, one.shorter, one.same) == (other.shorter, other.longer, other.same)
        assert one.longer + one.shorter + one.same == one.pairs == len(pairs)

    def test_by_source_the_largest_first(self) -> None:
        """bbc: 2 > 1 and 1 < 2; none: 3 > 1 by tokens, and 1 = 1 by words."""
        rows = [pair("a", "x", "y"), pair("b", "x", "y", source="bbc"), pair("c", "x", "y", source="bbc")]
        lengths = Lengths(np.array([3, 2, 1]), np.array([1, 1, 2]), np.array([1, 2, 1]), np.array([1, 1, 2]))
        found = longer_by_source(rows, lengths)
        assert list(found) == ["bbc", "(no source)"]
        assert found["bbc"].tokens == found["bbc"].words == LongerChosen(2, 1, 1, 0)
        assert (found["(no source)"].tokens, found["(no source)"].words) == (
            LongerChosen(1, 1, 0, 0),
            LongerChosen(1, 0, 0, 1),
        )

    @given(counts)
    def test_sources_add_up_to_all(self, pairs: list[tuple[int, int]]) -> None:
        chosen, rejected = sides(pairs)
        rows = [pair(str(n), "x", "y", source="abc"[n % 3]) for n in range(len(pairs))]
        first, *rest = longer_by_source(rows, Lengths(chosen, rejected, chosen, rejected)).values()
        for other in rest:
            first = first + other
        assert first.tokens == longer_chosen(chosen, rejected)

    def test_by_difference(self) -> None:
        """Differences 4 (longer), 5 (shorter), 9 (longer), 10 (longer); 0 is in no bucket; the last is open."""
        buckets = longer_by_difference(np.array([5, 1, 10, 20, 7]), np.array([1, 6, 1, 10, 7]))
        assert [(b.low, b.high, b.longer.pairs, b.longer.longer) for b in buckets] == [
            (1, 4, 1, 1),
            (5, 9, 2, 1),
            (10, None, 1, 1),
        ]
        assert longer_by_difference(np.array([2]), np.array([2])) == ()
        many = longer_by_difference(np.arange(400), np.zeros(400))
        assert [b.span for b in many] == ["1-19", "20-39", "40-79", "80-159", "160-319", "320+"]

    @given(counts)
    def test_every_pair_of_unequal_lengths_is_in_one_bucket(self, pairs: list[tuple[int, int]]) -> None:
        chosen, rejected = sides(pairs)
        buckets = longer_by_difference(chosen, rejected)
        assert sum(b.longer.pairs for b in buckets) == sum(c != r for c, r in pairs)
        assert sum(b.longer.longer for b in buckets) == longer_chosen(chosen, rejected).longer
        assert all(b.longer.same == 0 for b in buckets)


@given(counts)
def test_a_histogram_holds_every_completion(pairs: list[tuple[int, int]]) -> None:
    chosen, rejected = sides(pairs)
    found = histogram(chosen, rejected)
    assert sum(found.chosen) == sum(found.rejected) == len(pairs)
    assert len(found.edges) == len(found.chosen) == len(found.rejected) <= 42
    first = int(((found.edges[0] <= chosen) & (chosen < found.edges[1])).sum())
    assert found.chosen[0] == first


def test_lengths_are_of_the_completions_without_eos(tiny_model_path: Path) -> None:
    """White space does not make a word. The longer by words: the first pair's chosen by 2, the second's rejected by 1."""
    tokenizer = load_tokenizer(tiny_model_path)
    rows = [pair("a", "one  two\nthree", "one"), pair("b", "one", "two words")]
    found = lengths_of(rows, tokenizer)
    assert (found.chosen_words.tolist(), found.rejected_words.tolist()) == ([3, 1], [1, 2])
    for side, texts in (
        (found.chosen_tokens, [r.chosen for r in rows]),
        (found.rejected_tokens, [r.rejected for r in rows]),
    ):
        assert side.tolist() == [len(ids) for ids in text_tokens(texts, tokenizer)]
    assert length_tendencies(found)["length in words"].mean_difference == 0.5
    rows = [pair("港口", "港口购买电动船。", "河流淤塞。"), pair("บ", "ง่าย", "ยาก มาก")]
    found = lengths_of(rows, tokenizer)
    assert (found.chosen_words.tolist(), found.rejected_words.tolist()) == ([7, 3], [4, 6])


def test_lengths_of_real_comparisons(shared_data: Path, real_model_path: Path) -> None:
    """A fact that comes with the data: the longer was chosen in 59%."""
    rows = SummarizeFromFeedback(path=str(shared_data / "tldr_comparisons")).pairs("train")
    tokenizer = load_tokenizer(real_model_path)
    chosen, rejected = (
        np.array([len(ids) for ids in text_tokens(texts, tokenizer)])
        for texts in ([row.chosen for row in rows], [row.rejected for row in rows])
    )
    assert longer_chosen(chosen, rejected) == LongerChosen(2880, longer=1703, shorter=1107, same=70)
    assert longer_chosen(chosen, rejected).share == pytest.approx(0.59, abs=0.005)
