"""Text rows are values: equal by content, fixed once made."""

from dataclasses import FrozenInstanceError, replace

import pytest

from summpo.text.rows import PairRow, SummaryRow

ROWS = [SummaryRow("1", "document", "summary"), PairRow("1", "document", "better", "worse")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_fixed(row: SummaryRow | PairRow) -> None:
    with pytest.raises(FrozenInstanceError):
        row.document = "another"  # type: ignore[misc]
    assert replace(row) == row
    assert len({row, replace(row)}) == 1
    assert replace(row, prompt="ready") != row


def test_what_a_source_may_leave_out() -> None:
    summary, pair = SummaryRow("1", "d", "s"), PairRow("1", "d", "c", "r")
    assert (summary.references, summary.prompt) == ((), None)
    assert (pair.score_chosen, pair.score_rejected, pair.references, pair.prompt) == (None, None, (), None)
