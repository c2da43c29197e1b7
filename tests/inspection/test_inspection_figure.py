"""The picture of an inspection: nothing odd breaks a panel."""

import io

import pytest
from matplotlib.image import imread

from inspected import CASES
from summpo.inspection import Inspection
from summpo.inspection.figure import draw


@pytest.mark.parametrize("found", CASES)
def test_draws(found: Inspection) -> None:
    picture = imread(io.BytesIO(draw(found)))
    assert picture.shape[:2] == (1120, 1540)
    assert picture.std() > 0.02  # something is drawn
