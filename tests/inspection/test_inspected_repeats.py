"""What stands more than once: counted by hand on a few rows, and in the real comparisons."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.inspection.repeats import Shared, repeats, shared_documents
from summpo.text.rows import PairRow
from support.inspected import pair


def swapped(row: PairRow) -> PairRow:
    return replace(row, chosen=row.rejected, rejected=row.chosen)


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


def test_repeats_of_real_comparisons(shared_data: Path) -> None:
    """A fact that comes with the data: 18% of the distinct pairs are contradicted."""
    rows = SummarizeFromFeedback(path=str(shared_data / "tldr_comparisons")).pairs("train")
    found = repeats(rows)
    assert (found.contradicted_pairs, found.distinct_pairs) == (301, 1696)
    assert found.contradicted_pairs / found.distinct_pairs == pytest.approx(0.18, abs=0.005)
    assert (found.documents, found.repeated_rows) == (314, 883)
