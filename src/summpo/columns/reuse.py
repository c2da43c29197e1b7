"""What the runs of one process use again: each thing serves while what it was made from is the same.

One thing of a name is kept, and one base: a sweep never holds more models than a run does. The base is taken out while
a run trains on it and comes back once the run is done, so none is left of a run that stopped half way.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from summpo.models import Model
from summpo.models.weights.adapters import take_off
from summpo.models.weights.loading import load_base

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

T = TypeVar("T")
MOST_FILES = 10_000
"""In a larger folder nothing is watched: to look at each file would take longer than to read what is asked for."""


@dataclass
class Kept:
    """What the process keeps."""

    things: dict[str, tuple[Any, Any, Any]] = field(default_factory=dict)
    """By name: what it was made from, the thing, and its files as they were."""
    base: tuple[Any, PreTrainedModel] | None = None
    """A base model, and what it was made from."""
    lent: tuple[ref[PreTrainedModel], Any, dict[str, Tensor]] | None = None
    """The base that a run trains on, what it was made from, and its buffers as they were."""
    has_loaded: bool = False


KEPT = Kept()


def reused(
    name: str, made_from: Any, make: Callable[[], T], lies_in: Callable[[T], list[Path]] = lambda thing: []
) -> T:
    """The thing kept under a name, where it was made from what compares equal; else a new one in its place.

    Args:
        lies_in: files and folders that hold the thing itself; another is made where they have changed.
    """
    kept = KEPT.things.pop(name, None)
    if kept is None or kept[0] != made_from or kept[2] != [on_disk(path) for path in lies_in(kept[1])]:
        kept = None  # let go of before another is made
        thing = make()
        kept = (made_from, thing, [on_disk(path) for path in lies_in(thing)])
    KEPT.things[name] = kept
    return kept[1]


def take_base(folder: Path, model: Model) -> PreTrainedModel:
    """The base that a run gave back, where it is this one and its files are as they were; else loaded anew.

    Its weights are the loaded ones to the bit, it is on the CPU and in eval mode; they may be frozen.

    Raises:
        UserError: as `models.loading.load_base`.
    """
    made_from = (folder, on_disk(folder), replace(model, adapter=None))
    if KEPT.base is not None and KEPT.base[0] == made_from:
        base, KEPT.base = KEPT.base[1], None
    else:
        make_room()
        base = load_base(folder, model)
    KEPT.lent = (ref(base), made_from, buffers_of(base))
    return base


def give_back(policy: nn.Module) -> None:
    """Keeps the base under a policy that has trained and is on the CPU; its adapter is taken off.

    A policy without an adapter, or on a base that was not taken last, is left alone.

    A base that the run has changed is let go of: weights that trained, or buffers that a forward rewrote (a rotary
    embedding that grows with the length).
    """
    from peft import PeftModel
    from torch import equal

    if KEPT.lent is None or not isinstance(policy, PeftModel) or KEPT.lent[0]() is not policy.get_base_model():
        return
    (_, made_from, buffers), KEPT.lent = KEPT.lent, None
    base = take_off(policy).eval()
    now = buffers_of(base)  # quantised weights were loaded on a GPU, and came back from there
    is_same = buffers.keys() == now.keys() and all(equal(now[name], buffers[name]) for name in now)
    if is_same and not any(weight.requires_grad for weight in base.parameters()):
        KEPT.base = (made_from, base)


def make_room() -> None:
    """Lets go of the base before another model is loaded, also where the cycles of a run that is over hold it."""
    KEPT.base = KEPT.lent = None
    if KEPT.has_loaded:
        gc.collect()
    KEPT.has_loaded = True


def forget() -> None:
    """Lets go of all that is kept."""
    KEPT.things.clear()
    make_room()


def buffers_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of each buffer by its name, on the CPU."""
    return {name: buffer.detach().to("cpu", copy=True) for name, buffer in model.named_buffers()}


def on_disk(path: Path) -> Any:
    """What a file, or a folder with all in it, is to the disk: place, size, inode, times of change. Nothing is read.

    Equal before and after only where nothing was written in between. What is not there, or is a folder of more than
    `MOST_FILES`, is equal to nothing, itself neither.
    """
    path = path.expanduser().resolve()
    found = []
    try:
        for folder, folders, files in os.walk(path, followlinks=True):
            folders.sort()
            found += [identity(Path(folder, name)) for name in ("", *sorted(files))]
            if len(found) > MOST_FILES:
                return object()
        return tuple(found) or identity(path)
    except OSError:
        return object()


def identity(path: Path) -> tuple[str, int, int, int, int]:
    """Place, size, inode, and when the content and the entry changed last, in ns."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns
