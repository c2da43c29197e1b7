"""The picture of an inspection: nothing odd breaks a panel."""

import io
import warnings
from dataclasses import replace

import pytest
from matplotlib.image import imread

from summpo.inspection import Inspection
from summpo.inspection.figure import draw
from support.inspected import CASES


@pytest.mark.parametrize("found", CASES)
def test_draws(found: Inspection) -> None:
    picture = imread(io.BytesIO(draw(found)))
    assert picture.shape[:2] == (1120, 1540)
    assert picture.std() > 0.02  # something is drawn


def test_names_in_any_letters_are_drawn_without_a_warning() -> None:
    (found, *_) = CASES
    named = replace(
        found,
        dataset="Jsonl 摘要.jsonl",
        by_source=dict(zip(("新闻", "لغة", "\U0001f4f0"), found.by_source.values(), strict=True)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(named).startswith(b"\x89PNG")
