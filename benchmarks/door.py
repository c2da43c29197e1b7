"""What stops a benchmark before it measures anything: one sentence on stderr and exit code 2.

It knows what must be there (TRL, CUDA, comparisons), not what is measured with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from summpo.commands.logs import on_screen
from summpo.errors import UserError, require


def has_trl() -> bool:
    """Whether TRL can be imported; it is not yet."""
    return find_spec("trl") is not None


def require_trl() -> None:
    """Raises UserError where TRL is not installed."""
    require(has_trl(), "TRL is not installed, and is what summpo is compared with: pip install '.[bench]'")


def require_device(device: str) -> None:
    """Raises UserError where `device` is cuda and there is none."""
    import torch

    require(device == "cpu" or torch.cuda.is_available(), f"torch finds no {device} device here (--device {device})")


def require_comparisons(folder: Path) -> None:
    """Raises UserError where `folder` holds no human comparisons."""
    require((folder / "train.jsonl").is_file(), f"there are no comparisons: no file {folder / 'train.jsonl'} (--data)")


def ended(main: Callable[[], None]) -> int:
    """Runs a script's `main`, and returns its exit code: 2, and a sentence, for what the user can put right."""
    try:
        with on_screen():
            main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    return 0
