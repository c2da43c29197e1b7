"""The folder in which converted models and frozen columns are kept and shared between runs."""

from __future__ import annotations

import os
from pathlib import Path

NONE = "???"
"""What is still to be given, as the configuration writes it."""


def cache_folder() -> str:
    """$SUMMPO_CACHE, or a folder in the user's home; `NONE` for who has no home."""
    try:
        return str(Path(os.environ.get("SUMMPO_CACHE") or "~/.cache/summpo").expanduser())
    except RuntimeError:
        return NONE
