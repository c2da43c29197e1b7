import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.evaluation.front import FrontPoint, dominates, hypervolume, pareto

# Few distinct values, so that ties are common.
LENGTHS, QUALITIES = st.integers(0, 12).map(float), st.integers(0, 8).map(lambda eighths: eighths / 8)
POINTS = st.lists(st.builds(FrontPoint, st.none() | st.floats(0, 1), LENGTHS, QUALITIES), max_size=9)
REFERENCE = (10.0, 0.0)


def point(length: float, quality: float) -> FrontPoint:
    return FrontPoint(None, length, quality)


def test_hand_worked_front() -> None:
    """(2, .2), (4, .5) and (8, .6) trade; (5, .4) is longer and worse than (4, .5); (8, .5) is as good but longer."""
    points = [point(2, 0.2), point(4, 0.5), point(5, 0.4), point(8, 0.6), point(8, 0.5)]
    assert pareto(points) == [True, True, False, True, False]


def test_equal_points_share_the_front() -> None:
    assert pareto([point(3, 0.3), point(3, 0.3)]) == [True, True]


def test_hand_worked_hypervolume() -> None:
    """Up to (10, 0): (2, .2) rules 2..4, (4, .5) rules 4..8, (8, .6) rules 8..10: 2*.2 + 4*.5 + 2*.6 = 3.6."""
    assert hypervolume([point(8, 0.6), point(2, 0.2), point(4, 0.5), point(5, 0.4)], REFERENCE) == pytest.approx(3.6)


def test_points_beyond_the_reference_add_nothing() -> None:
    assert hypervolume([point(10, 0.9), point(12, 1.0), point(3, 0.0)], REFERENCE) == 0.0
    assert hypervolume([], REFERENCE) == 0.0


@given(POINTS)
def test_a_front_point_has_no_dominator_and_a_beaten_one_has_one_on_the_front(points: list[FrontPoint]) -> None:
    best = [p for p, on_front in zip(points, pareto(points), strict=True) if on_front]
    for p, on_front in zip(points, pareto(points), strict=True):
        assert on_front == (not any(dominates(other, p) for other in points))
        assert on_front or any(dominates(other, p) for other in best)
    assert bool(best) == bool(points)


@given(POINTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(points: list[FrontPoint], luck: random.Random) -> None:
    order = list(range(len(points)))
    luck.shuffle(order)
    shuffled = [points[n] for n in order]
    assert pareto(shuffled) == [pareto(points)[n] for n in order]
    assert math.isclose(hypervolume(shuffled, REFERENCE), hypervolume(points, REFERENCE), abs_tol=1e-12)


@given(POINTS, st.data())
def test_a_dominated_point_changes_nothing(points: list[FrontPoint], data: st.DataObject) -> None:
    if not points:
        return
    better = data.draw(st.sampled_from(points))
    worse = point(better.length + data.draw(st.integers(0, 3)), better.quality - data.draw(st.integers(1, 3)) / 8)
    assert pareto([*points, worse]) == [*pareto(points), False]
    assert math.isclose(hypervolume([*points, worse], REFERENCE), hypervolume(points, REFERENCE), abs_tol=1e-12)


@given(POINTS, st.integers(0, 12), st.integers(0, 8))
def test_hypervolume_never_falls_with_another_point_and_equals_counted_cells(
    points: list[FrontPoint], length: int, eighths: int
) -> None:
    more = [*points, point(length, eighths / 8)]
    assert hypervolume(more, REFERENCE) >= hypervolume(points, REFERENCE) - 1e-12
    # All points lie on a grid: the area is the number of its cells (1 by 1/8) that some point dominates.
    cells = sum(any(p.length <= x and p.quality >= y / 8 for p in more) for x in range(10) for y in range(1, 9))
    assert math.isclose(hypervolume(more, REFERENCE), cells / 8, abs_tol=1e-9)


@pytest.mark.parametrize(("length", "quality"), [(math.nan, 0.5), (3.0, math.nan), (math.inf, 0.5)])
def test_a_point_that_is_no_number_is_refused(length: float, quality: float) -> None:
    with pytest.raises(UserError, match=r"w=0\.1 must be finite"):
        FrontPoint(0.1, length, quality)
