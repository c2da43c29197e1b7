"""The funnel: nothing odd breaks the picture, and reasons are told shortly."""

import io
import warnings

import pytest
from matplotlib.image import imread

from summpo.synthesis.funnel import draw, reasons_of
from summpo.synthesis.stages import FunnelStage

CASES = [
    [
        FunnelStage("selected", 15230, (("too_short", 9000), ("文字", 30))),
        FunnelStage("parsed", 6200, (("missing_part", 1200),)),
        FunnelStage("kept", 5000),
    ],
    [FunnelStage("selected", 10**9, (("too_short", 10**9 - 5),)), FunnelStage("kept", 5, (("scores_tied", 5),))],
    [FunnelStage("selected", 0)],
    [],
]


@pytest.mark.parametrize("stages", CASES)
def test_draws_without_a_warning(stages: list[FunnelStage]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = imread(io.BytesIO(draw(stages, "What became of $them$ _all_ 摘要")))
    assert picture.shape[1] == 1260
    assert picture.std() > 0.02  # something is drawn


def test_a_bar_is_as_long_as_what_passed() -> None:
    """Of 100 documents 25 pass: the blue of the second bar is a quarter as wide as that of the first."""
    picture = imread(io.BytesIO(draw([FunnelStage("kept", 100, (("x", 75),))], "t")))[..., :3]
    blue = (abs(picture - [0x0B / 255, 0x6B / 255, 0xCB / 255]) < 0.02).all(axis=2)
    widths = blue.sum(axis=1)
    wide = [int(width) for width in widths if width > 100]
    assert max(wide) / min(wide) == pytest.approx(4, abs=0.1)


def test_reasons_come_by_number_and_are_few() -> None:
    many = FunnelStage("x", 100, tuple((f"reason_{n}", n) for n in range(1, 9)))
    assert reasons_of(many).replace("\xa0", " ").replace("\n", " ") == (
        "reason 8 8 · reason 7 7 · reason 6 6 · reason 5 5 · reason 4 4 · reason 3 3 · others 3"
    )
    assert reasons_of(FunnelStage("x", 1)) == "none rejected"
    assert (
        len(
            reasons_of(
                FunnelStage("x", 9000, tuple((f"a rather long reason of its own {n}", n) for n in range(9)))
            ).split("\n")
        )
        == 2
    )
