"""Pretended devices: all is computed on the CPU, with its real numbers, while every tensor says where it would lie.

Every storage carries a device. A tensor says that one when asked; an operation that meets two of them (but for what CUDA
allows: 0-dim CPU tensors, CPU indices) is a fault, noted with its line. Launches (operations on a pretended device that
compute) and what has the host wait for it are counted: `.item()`, copies to and from pageable memory, nonzero,
repeat_interleave without output_size.

What it cannot tell: what kernels of a GPU compute, which of them are chosen, the order of float atomics, memory.
"""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CPU = torch.device("cpu")
VIEWS = {
    "view", "_unsafe_view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze", "detach",
    "alias", "split", "split_with_sizes", "unbind", "as_strided", "_reshape_alias", "unfold", "lift_fresh", "chunk",
    "_has_compatible_shallow_copy_type", "set_", "is_pinned", "empty", "empty_like", "new_empty", "empty_strided",
    "new_empty_strided", "resize_", "diagonal", "_local_scalar_dense",
}  # fmt: skip
"""Operations that launch nothing."""
MAY_MIX = {"copy_", "_to_copy", "set_", "_local_scalar_dense", "detach", "_has_compatible_shallow_copy_type"}
"""Operations whose tensors may lie on two devices."""
INDEXED = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}
WAITS = {"nonzero", "masked_select", "unique_consecutive", "_unique2", "equal"}
"""Operations whose result the host waits for: its shape or its value."""


@dataclass
class Seen:
    """What happened on pretended devices."""

    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Operations over two devices, by what and where."""
    waits: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """The host waits for a device: by phase, by what and where."""
    launches: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Kernels, by phase and operation."""
    copies: Counter[str] = field(default_factory=Counter)
    """Copies to a device that the host does not wait for, by phase."""
    used: Counter[str] = field(default_factory=Counter)
    """Tensors that came to lie on each device."""
    waits_by_step: list[int] = field(default_factory=list)
    """How many waits there were, all told, after each step of the optimizer."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each phase came."""

    def waits_in(self, phase: str) -> int:
        """All in one phase."""
        return sum(count for (which, *_), count in self.waits.items() if which == phase)

    def launches_in(self, phase: str) -> int:
        """All in one phase."""
        return sum(count for (which, _), count in self.launches.items() if which == phase)

    def told(self) -> str:
        """A table, for a person."""
        lines = [f"fault {n:5d}  {what}   at {line}" for (what, line), n in self.faults.most_common(60)]
        for phase, calls in self.calls.items():
            per_call = (
                f"{self.launches_in(phase) / calls:.1f} launches, {self.waits_in(phase) / calls:.2f} waits a call"
            )
            lines.append(f"{phase}: {calls} calls, {per_call}, {self.copies[phase] / calls:.2f} copies without")
            mine = Counter({name: count for (which, name), count in self.launches.items() if which == phase})
            lines.append("    " + ", ".join(f"{name} {count / calls:.1f}" for name, count in mine.most_common(30)))
        lines += [f"wait {n:5d}  [{phase}] {what}   at {line}" for (phase, what, line), n in self.waits.most_common(70)]
        return "\n".join(lines)


class Machine:
    """The pretended devices: where each storage lies, and which device is the current one."""

    def __init__(self, gpus: int, kind: str = "cuda") -> None:
        self.gpus, self.kind, self.current, self.seen = gpus, kind, 0, Seen()
        self.places: dict[int, tuple[StorageWeakRef, torch.device]] = {}
        self.pinned: dict[int, StorageWeakRef] = {}
        self.target: torch.device | None = None
        """Where the call that is under way makes its tensors."""
        self.moves = self.is_off = False
        self.phase = "start"

    def device(self, asked: Any) -> torch.device:
        """A device with its index."""
        asked = torch.device(self.kind, asked) if isinstance(asked, int) else torch.device(asked)
        if asked.type != self.kind:
            return asked
        index = self.current if asked.index is None else asked.index
        if index >= self.gpus:
            raise RuntimeError(f"CUDA error: invalid device ordinal {index}")
        return torch.device(self.kind, index)

    def of(self, tensor: Tensor) -> torch.device:
        """Where a tensor lies."""
        found = self.places.get(key_of(tensor))
        return CPU if found is None or found[0].expired() else found[1]

    def put(self, tensor: Tensor, device: torch.device) -> Tensor:
        """Says where a tensor lies."""
        key = key_of(tensor)
        if device.type == self.kind:
            if self.kind == "mps" and tensor.dtype == torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
            self.places[key] = StorageWeakRef(tensor.untyped_storage()), device
            self.seen.used[str(device)] += 1
        else:
            self.places.pop(key, None)
        return tensor

    def is_pinned(self, tensor: Tensor) -> bool:
        """Whether a CPU tensor is in memory that a device may read by itself."""
        found = self.pinned.get(key_of(tensor))
        return found is not None and not found.expired()

    def pin(self, tensor: Tensor) -> Tensor:
        """A copy in such memory."""
        copy = tensor.clone()
        self.pinned[key_of(copy)] = StorageWeakRef(copy.untyped_storage())
        return copy

    def wait(self, what: str) -> None:
        """Notes that the host waits for a device."""
        self.seen.waits[self.phase, what, where()] += 1

    def move(self, tensor: Tensor, device: torch.device, non_blocking: bool = False) -> Tensor:
        """The tensor on a device; itself where it lies there."""
        if device.type == "meta" or self.of(tensor) == device:
            return tensor
        if non_blocking and device.type == self.kind and (self.of(tensor) != CPU or self.is_pinned(tensor)):
            self.seen.copies[self.phase] += 1
        elif device.type == "cpu" or self.of(tensor) == CPU:
            self.wait("copy to the device" if device.type == self.kind else "copy to the host")
        before, self.target, self.moves = self.target, device, True
        try:
            plain = type(tensor) in (Tensor, torch.nn.Parameter)
            found = tensor.clone() if plain else tensor.detach().clone()
        finally:
            self.target, self.moves = before, False
        return self.put(found, device)


def key_of(tensor: Tensor) -> int:
    """What tells a tensor's storage from another."""
    try:
        return tensor.untyped_storage()._cdata
    except Exception:  # it has none, as those of another kind do
        return -1


def where() -> str:
    """The innermost line of summpo, and the innermost one outside torch."""
    stack = [frame for frame in traceback.extract_stack() if "pretended_cuda" not in frame.filename]
    ours = [frame for frame in stack if "/summpo/" in frame.filename and "site-packages" not in frame.filename]
    others = [frame for frame in stack if "/torch/" not in frame.filename]
    names = []
    for frame in (ours[-1:] + others[-1:]) or stack[-1:]:
        name = frame.filename.rpartition("/summpo/")[2].rpartition("site-packages/")[2] + f":{frame.lineno}"
        names += [name] if name not in names else []
    return " < ".join(names)


class Devices(TorchFunctionMode):
    """What Python asks of tensors: devices, factories, moves."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        machine, kwargs = self.machine, dict(kwargs or {})
        if machine.is_off:
            return func(*args, **kwargs)
        own = args[0] if args and isinstance(args[0], Tensor) else None
        name = getattr(func, "__name__", "")
        if own is not None:
            place = machine.of(own)
            if func == Tensor.device.__get__:
                return place
            if func == Tensor.is_cuda.__get__:
                return place.type == "cuda"
            if func == Tensor.is_cpu.__get__:
                return place.type == "cpu"
            if func is Tensor.get_device:
                return -1 if place == CPU else place.index
            if func is Tensor.cuda:
                asked = kwargs.get("device", args[1] if len(args) > 1 else None)
                return machine.move(own, machine.device("cuda" if asked is None else asked))
            if func is Tensor.cpu:
                return machine.move(own, CPU)
            if func is Tensor.pin_memory:
                return machine.pin(own)
            if func is Tensor.is_pinned:
                return machine.is_pinned(own)
            if func is Tensor.to:
                return self._to(own, *args[1:], **kwargs)
            if func is Tensor.tolist and place != CPU:
                machine.wait("tolist")
            if func is Tensor.numpy and place != CPU:
                machine.seen.faults["numpy() of a cuda tensor", where()] += 1
        asked = None
        if kwargs.get("pin_memory"):
            kwargs.pop("pin_memory")
            return machine.pin(func(*args, **kwargs))
        if kwargs.get("device") is not None:
            asked = machine.device(kwargs["device"])
            kwargs["device"] = asked if asked.type == "meta" else CPU
        if name == "repeat_interleave" and kwargs.get("output_size") is None:
            counts = [a for a in (*args[1:], *kwargs.values()) if isinstance(a, Tensor)]
            if any(machine.of(a) != CPU for a in counts):
                machine.wait("repeat_interleave without output_size")
        before = machine.target
        machine.target = asked if asked is not None else before
        try:
            found = func(*args, **kwargs)
        finally:
            machine.target = before
        if asked is not None and asked.type == machine.kind:
            if name in ("tensor", "as_tensor", "from_numpy"):
                machine.wait("tensor(..., device)")
            for each in tree_leaves(found):
                if isinstance(each, Tensor):
                    machine.put(each, asked)
        return found

    def _to(self, own: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
        """`Tensor.to`: the cast first, then the move."""
        machine = self.machine
        if args and isinstance(args[0], Tensor):
            asked, dtype, non_blocking = machine.of(args[0]), args[0].dtype, kwargs.get("non_blocking", False)
            order = None
        else:
            if args and isinstance(args[0], int) and not isinstance(args[0], bool):
                args = (torch.device(machine.kind, args[0]), *args[1:])
            device, dtype, non_blocking, order = torch._C._nn._parse_to(*args, **kwargs)
            asked = None if device is None else machine.device(device)
        found = own
        if dtype is not None and dtype != own.dtype:
            before, machine.target = machine.target, None
            try:
                found = Tensor.to(own, dtype, memory_format=order or torch.preserve_format)
            finally:
                machine.target = before
        if asked is not None:
            found = machine.move(found, asked, non_blocking)
        return found.clone() if copy and found is own else found


class Operations(TorchDispatchMode):
    """What torch computes: on which device, over which ones, and what the host waits for."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        machine, kwargs = self.machine, kwargs or {}
        if machine.is_off:
            return func(*args, **kwargs)
        name = func._schema.name.split("::")[1]
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        places = [machine.of(each) for each in tensors]
        gpus = {place for place in places if place != CPU}
        if gpus and not machine.moves:
            self._look(name, func, tensors, places, gpus)
        found = func(*args, **kwargs)
        target = machine.target
        goes = next(iter(gpus), CPU) if target is None else target
        if target is None and not tensors:
            # autograd itself makes zeros for the parts of a tensor that nobody used, and makes them where the tensor lies
            goes = machine.device(machine.kind) if (name, machine.phase) == ("zeros", "backward") else CPU
        inside = {key_of(each) for each in tensors}
        for each in tree_leaves(found):
            if isinstance(each, Tensor) and key_of(each) not in inside:
                machine.put(each, goes)
        if goes.type == machine.kind and not (name in VIEWS or func.is_view or machine.moves):
            machine.seen.launches[machine.phase, name] += 1
        return found

    def _look(self, name: str, func: Any, tensors: list[Tensor], places: list[Any], gpus: set[torch.device]) -> None:
        """Notes faults and waits of an operation on a device."""
        machine = self.machine
        strangers = [
            tuple(each.shape)
            for each, place in zip(tensors, places, strict=True)
            if place.type == "cpu" and each.dim() > 0 and each.numel() > 0
        ]
        by_cpu_index = name in INDEXED and places[0] != CPU
        if len(gpus) > 1 and name not in MAY_MIX:
            machine.seen.faults[f"{func} over {sorted(map(str, gpus))}", where()] += 1
        elif strangers and name not in MAY_MIX:
            if by_cpu_index and (name == "index" or len(places) < 3 or places[-1] != CPU):
                machine.wait("index on the CPU")
            else:
                machine.seen.faults[f"{func} of the CPU's {strangers} and {next(iter(gpus))}", where()] += 1
        if name == "_local_scalar_dense":
            machine.wait("item")
        if name in WAITS:
            machine.wait(name)
        if name in INDEXED and any(each.dtype in (torch.bool, torch.uint8) for each in tensors[1:]):
            machine.wait("index by bool")
        if name == "copy_" and len({place.type for place in places}) > 1:
            machine.wait("copy_")
