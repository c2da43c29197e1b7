"""What a data set of pairs will teach: every number worked by hand on a few pairs, and the real comparisons."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.inspection import (
    UNLIMITED,
    Lengths,
    LongerChosen,
    Shared,
    fit,
    histogram,
    interval,
    longer_by_difference,
    longer_by_source,
    longer_chosen,
    points,
    quantiles,
    repeats,
    rounded,
    shared_documents,
    suggested_weights,
    sweep_of,
    tendency,
    weighed,
    weighed_sum,
)
from summpo.models.loading import load_tokenizer
from summpo.prompts import Prompt
from summpo.rows import PairRow
from summpo.tokens import Limits, text_tokens, tokenize

counts = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=40)


def sides(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    chosen, rejected = zip(*pairs, strict=True)
    return np.array(chosen), np.array(rejected)


def pair(document: str, chosen: str, rejected: str, **columns: str) -> PairRow:
    return PairRow(f"{document}-{chosen}-{rejected}", document, chosen, rejected, **columns)


def swapped(row: PairRow) -> PairRow:
    return replace(row, chosen=row.rejected, rejected=row.chosen)


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

    def test_interval(self) -> None:
        """Wilson's of 8 of 10: middle (8 + 1.9208) / 13.8416 = 0.7167, half 1.96 / 13.8416 sqrt(1.6 + 0.9604) = 0.2266."""
        assert interval(8, 10) == pytest.approx((0.4901, 0.9433), abs=1e-4)
        assert interval(0, 5)[0] == 0 and interval(5, 5)[1] == 1


class TestTendency:
    def test_by_hand(self) -> None:
        """d = 3, -1, 0, 2: mean 1, root mean square sqrt(14 / 4); two of four above 0 and one tied."""
        found = tendency(np.array([3, -1, 0, 2]))
        assert found.prefers_chosen == (2 + 0.5) / 4
        assert (found.ties, found.mean_difference, found.median_size) == (0.25, 1.0, 1.5)
        assert found.correlation == pytest.approx(1 / np.sqrt(3.5))

    def test_nothing_to_correlate(self) -> None:
        found = tendency(np.zeros(3))
        assert (found.prefers_chosen, found.ties, found.correlation) == (0.5, 1.0, None)

    @given(st.lists(st.integers(-50, 50), min_size=1).filter(any))
    def test_is_pearsons_over_completions_centred_by_pair_and_a_swap_flips_it(self, differences: list[int]) -> None:
        d = np.array(differences, np.float64)
        values, chosen = np.concatenate([d / 2, -d / 2]), np.repeat([0.5, -0.5], len(d))
        found, other = tendency(d), tendency(-d)
        assert found.correlation == pytest.approx(np.corrcoef(values, chosen)[0, 1])
        assert other.correlation == pytest.approx(-found.correlation)  # type: ignore[operator]
        assert other.prefers_chosen == pytest.approx(1 - found.prefers_chosen)


class TestRepeats:
    def test_by_hand(self) -> None:
        """Document a: x over y twice, y over x once, x over z once; document b: x over y. White space does not tell."""
        rows = [
            pair("a", "x", "y"),
            pair("a", " x\n", "y"),
            pair("a", "y", "x"),
            pair("a", "x", "z"),
            pair("b", "x", "y"),
        ]
        found = repeats(rows)
        assert (found.rows, found.documents, found.distinct_pairs) == (5, 2, 3)
        assert found.repeated_rows == 1
        assert (found.contradicted_pairs, found.contradicted_rows) == (1, 3)
        assert found.best_accuracy == 4 / 5  # two of the three verdicts on (a, x, y), and the other two rows

    def test_equal_summaries_contradict_nothing(self) -> None:
        assert repeats([pair("a", "x", "x"), pair("a", "x ", "x")]).contradicted_pairs == 0

    def test_a_ready_prompt_is_what_is_asked(self) -> None:
        rows = [pair("a", "x", "y", prompt="one"), pair("a", "y", "x", prompt="two")]
        assert (repeats(rows).documents, repeats(rows).contradicted_pairs) == (2, 0)

    @given(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=30))
    def test_swaps_and_copies(self, texts: list[tuple[str, str, str]]) -> None:
        rows = [pair(*text) for text in texts]
        found, other = repeats(rows), repeats([swapped(row) for row in rows])
        assert found == other
        twice = repeats(rows + rows)
        assert twice.repeated_rows == found.repeated_rows + len(rows)
        assert (twice.distinct_pairs, twice.contradicted_pairs) == (found.distinct_pairs, found.contradicted_pairs)
        assert twice.best_accuracy == pytest.approx(found.best_accuracy)
        both_ways = repeats(rows + [swapped(row) for row in rows])
        assert both_ways.contradicted_pairs == len({(d, frozenset((c, r))) for d, c, r in texts if c != r})

    def test_shared_documents(self) -> None:
        """Validation has b (shared, twice) and d; test has a and b, both in train, and b is in validation too."""
        rows_of = {
            "train": [pair("a", "x", "y"), pair("b", "x", "y"), pair("c", "x", "y")],
            "validation": [pair("b ", "x", "y"), pair("b", "p", "q"), pair("d", "x", "y")],
            "test": [pair("a", "x", "y"), pair("b", "x", "y")],
        }
        assert shared_documents(rows_of) == (
            Shared("train", "validation", documents=1, of_documents=2, rows=2, of_rows=3),
            Shared("train", "test", documents=2, of_documents=2, rows=2, of_rows=2),
            Shared("validation", "test", documents=1, of_documents=2, rows=1, of_rows=2),
        )


class TestFit:
    def test_by_hand_against_the_rules_themselves(self, tiny_model_path: Path) -> None:
        """Every rule's counts are those of tokenizing under it."""
        tokenizer = load_tokenizer(tiny_model_path)
        rows = [
            pair("word " * n, "short", "a somewhat longer summary " * k, prompt=prompt)  # type: ignore[arg-type]
            for n, k, prompt in [(2, 1, None), (60, 1, None), (90, 2, None), (3, 9, None), (3, 1, "ready " * 80)]
        ] + [pair("d", "same", "same"), pair("d", " ", "x")]
        limits = Limits(max_length=120, too_long="error", empty="drop")
        full = tokenize(rows, tokenizer, Prompt(), UNLIMITED)
        found = fit(rows, full, limits, Prompt(), tokenizer)
        assert found.unusable == {"empty_completion": 1, "identical_pair": 1}
        assert (found.rows, found.over, found.cut, found.too_long) == (7, 4, 2, "error")
        for rule, kept in found.rules.items():
            counted = tokenize(rows, tokenizer, Prompt(), replace(limits, too_long=rule)).counts
            assert kept["kept"] == counted["kept"], rule
            assert kept["cut"] == counted.get("truncated_document", 0), rule
            over = counted.get("dropped_too_long", 0) + counted.get("dropped_no_room_for_document", 0)
            assert kept["dropped"] == over, rule
        prompts, (chosen, rejected) = full.rows.prompts, full.rows.completions
        totals = [len(prompts[n]) + max(len(chosen[n]), len(rejected[n])) for n in range(5)]
        assert found.total["max"] == max(totals)
        assert found.over == sum(total > limits.max_length for total in totals)

    def test_quantiles(self) -> None:
        found = quantiles(np.arange(101))
        assert (found["min"], found["p5"], found["p50"], found["p99"], found["max"]) == (0, 5, 50, 99, 100)
        assert quantiles(np.zeros(0)) == {}

    @given(counts)
    def test_a_histogram_holds_every_completion(self, pairs: list[tuple[int, int]]) -> None:
        chosen, rejected = sides(pairs)
        found = histogram(chosen, rejected)
        assert sum(found.chosen) == sum(found.rejected) == len(pairs)
        assert len(found.edges) == len(found.chosen) == len(found.rejected) <= 42
        first = int(((found.edges[0] <= chosen) & (chosen < found.edges[1])).sum())
        assert found.chosen[0] == first


class TestWeights:
    def test_weighed(self) -> None:
        """Nats 0.5, -2, 3, -1 against 1: |.| beyond it twice, once against the choice; -1 itself is not beyond."""
        found = weighed(0.1, np.array([0.5, -2.0, 3.0, -1.0]), 1.0)
        assert (found.w, found.beyond, found.against) == (0.1, 0.5, 0.25)
        assert (found.size["p50"], found.size["max"], found.signed["min"]) == (1.5, 3.0, -2.0)

    def test_suggested(self) -> None:
        """|m| of 10, 20 and 30 (0 does not count): median 20, so 1 nat is reached at 0.05 and a tenth at 0.005.

        Between them 0.005 * 10^(1/3) = 0.0108 and 0.0232.
        """
        margins = np.array([10.0, -20.0, 0.0, 30.0, 0.0])
        assert suggested_weights(margins, 1.0) == (0.005, 0.01, 0.02, 0.05)
        assert suggested_weights(margins, 2.0) == (0.01, 0.02, 0.05, 0.1)
        assert suggested_weights(np.zeros(3), 1.0) == ()

    @given(st.floats(1e-6, 1e6), st.integers(-6, 6))
    def test_rounding_is_near_and_the_same_at_every_scale(self, value: float, power: int) -> None:
        assert 0.8 < rounded(value) / value < 1.25
        assert rounded(rounded(value)) == rounded(value)
        assert rounded(3 * 10.0**power) == pytest.approx(3 * 10.0**power)

    def test_w_sweeps_what_follows_it_and_leaves_the_others(self) -> None:
        """Margins (20, 1) and (-20, 3): the second has weight 0.5 of its own. At w = 0.05: 1.5 and 0.5."""
        margins = np.array([[20.0, 1.0], [-20.0, 3.0]], np.float32)
        assert weighed_sum(margins, [None, 0.5], 0.05) == pytest.approx([1.5, 0.5])
        assert sweep_of(margins, [None, 0.5], 1.0) == (0.0, 0.005, 0.01, 0.02, 0.05)
        at = points(margins, [None, 0.5], 0.03, 1.0)
        assert [point.w for point in at] == [0.0, 0.005, 0.01, 0.02, 0.03, 0.05]
        assert at[0].size["max"] == 1.5  # the second's own

    def test_without_anything_for_w_to_weigh(self) -> None:
        margins = np.array([[2.0], [4.0]], np.float32)
        assert sweep_of(margins, [0.5], 1.0) == ()
        assert [(at.w, at.size["max"]) for at in points(margins, [0.5], 0.0, 1.0)] == [(0.0, 2.0)]
        assert points(np.zeros((2, 0)), [], 0.3, 1.0) == () == sweep_of(np.zeros((2, 0)), [], 1.0)
        assert [at.w for at in points(margins, [None], 0.0, 1.0)] == [0.03, 0.07, 0.15, 0.3]

    @given(st.lists(st.floats(0.5, 500), min_size=1), st.floats(0.1, 10))
    def test_the_median_pair_weighs_from_a_tenth_to_a_typical_margin(self, sizes: list[float], typical: float) -> None:
        margins = np.array(sizes)
        suggested = suggested_weights(margins, typical)
        assert suggested[0] * np.median(margins) / typical == pytest.approx(0.1, rel=0.25)
        assert suggested[-1] * np.median(margins) / typical == pytest.approx(1, rel=0.25)
        assert list(suggested) == sorted(suggested) and len(suggested) == 4


def test_real_comparisons(shared_data: Path, real_model_path: Path) -> None:
    """The facts that come with the data: the longer was chosen in 59%, 18% of the distinct pairs are contradicted."""
    rows = SummarizeFromFeedback(path=str(shared_data / "tldr_comparisons")).pairs("train")
    tokenizer = load_tokenizer(real_model_path)
    chosen, rejected = (
        np.array([len(ids) for ids in text_tokens(texts, tokenizer)])
        for texts in ([row.chosen for row in rows], [row.rejected for row in rows])
    )
    assert longer_chosen(chosen, rejected) == LongerChosen(2880, longer=1703, shorter=1107, same=70)
    assert longer_chosen(chosen, rejected).share == pytest.approx(0.59, abs=0.005)
    found = repeats(rows)
    assert (found.contradicted_pairs, found.distinct_pairs) == (301, 1696)
    assert found.contradicted_pairs / found.distinct_pairs == pytest.approx(0.18, abs=0.005)
    assert (found.documents, found.repeated_rows) == (314, 883)
