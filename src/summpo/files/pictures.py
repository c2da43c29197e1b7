"""What pictures share: their colours, and letters that a font lacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

FRONT, BEATEN, INK, QUIET, FAINT = "#0b6bcb", "#8b939c", "#1d2530", "#56606b", "#d9dee4"


@contextmanager
def any_letters() -> Iterator[None]:
    """A letter that matplotlib's font lacks (Chinese, say) is drawn as a box, without a warning on the screen."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s)Glyph .* missing from")
        yield
