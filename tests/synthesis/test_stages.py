"""Counts of stages and balances, by hand."""

from dataclasses import replace

import pytest

from summpo.synthesis.balance import balance
from summpo.synthesis.stages import Stage, require_chain, stage
from support.judged import pair_of


def test_a_stage_tells_its_reasons_in_their_order_and_the_others_by_their_number() -> None:
    found = stage("parsed", 10, ["b", "z", "a", "b", "y", "z", "z"], order=("a", "b", "c"))
    assert found == Stage("parsed", 10, (("a", 1), ("b", 2), ("z", 3), ("y", 1)))
    assert found.passed == 3
    assert found.as_record() == {
        "stage": "parsed",
        "came": 10,
        "passed": 3,
        "rejected": {"a": 1, "b": 2, "z": 3, "y": 1},
    }
    assert stage("kept", 3, []).as_record()["rejected"] == {}


def test_a_funnel_that_loses_count_is_a_bug() -> None:
    require_chain([])
    require_chain(
        [
            Stage("selected", 10, (("too_short", 4),)),
            Stage("answered", 6),
            Stage("parsed", 6, (("refusal", 6),)),
            Stage("kept", 0),
        ]
    )
    with pytest.raises(ValueError, match="6 passed selected and 5 came to answered"):
        require_chain([Stage("selected", 10, (("too_short", 4),)), Stage("answered", 5)])


def test_balance_by_hand() -> None:
    """Chosen longer in a and b, of which a's was first; shorter in c, where it was first, so that the longer was second."""
    pairs = [
        pair_of("a", 6, 3, first=True),
        pair_of("b", 8, 3, first=False),
        pair_of("c", 3, 9, first=True),
        pair_of("d", 5, 5, first=True),
    ]
    found = balance([*pairs, pairs[0]])
    assert (found.pairs, found.documents) == (5, 4)
    assert found.longer_chosen == 3 / 5
    assert found.first_chosen == 4 / 5
    assert found.longer_first == 2 / 5
    assert (found.words_chosen, found.words_rejected) == (6, 3)
    assert (found.score_chosen, found.score_rejected) == (16, 12.5)
    assert found.as_record()["longer_chosen"] == 0.6


def test_balance_of_a_script_without_spaces() -> None:
    """9 characters and 7."""
    found = balance([replace(pair_of("a"), chosen="委员会决定购买船只。", rejected="港口购买电动船。")])
    assert (found.words_chosen, found.words_rejected, found.longer_chosen) == (9, 7, 1)


def test_the_shorter_in_second_place_is_the_longer_in_first() -> None:
    """Chosen, shorter and written second: the longer was written first."""
    assert balance([pair_of("a", 3, 6, first=False)]).longer_first == 1
