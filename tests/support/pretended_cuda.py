"""A command as if this machine had GPUs: `pretended` puts `pretended_devices` where torch and Lightning ask for them."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward
from torch.utils._python_dispatch import _disable_current_modes

from support.pretended_devices import Devices, Machine, Operations, Seen


def cuda_of(machine: Machine) -> dict[str, Any]:
    """torch.cuda, as far as it is asked for."""

    def set_device(asked: Any) -> None:
        machine.current = machine.device(asked).index

    @contextmanager
    def within(asked: Any) -> Iterator[None]:
        before = machine.current
        set_device(asked)
        try:
            yield
        finally:
            machine.current = before

    nothing = lambda *_, **__: None  # noqa: E731
    state = lambda *_: torch.zeros(16, dtype=torch.uint8)  # noqa: E731
    stream = types.SimpleNamespace(wait_stream=nothing, synchronize=nothing, wait_event=nothing, device=None)
    properties = types.SimpleNamespace(
        name="pretended", total_memory=141 << 30, major=9, minor=0, multi_processor_count=132
    )
    zero = lambda *_, **__: 0  # noqa: E731
    return {
        "is_available": lambda: True,
        "device_count": lambda: machine.gpus,
        "current_device": lambda: machine.current,
        "set_device": set_device,
        "device": within,
        "get_device_name": lambda *_: "pretended H200",
        "get_device_capability": lambda *_: (9, 0),
        "is_bf16_supported": lambda *_, **__: True,
        "is_initialized": lambda: True,
        "init": nothing,
        "_lazy_init": nothing,
        "empty_cache": nothing,
        "synchronize": nothing,
        "reset_peak_memory_stats": nothing,
        "manual_seed": nothing,
        "manual_seed_all": nothing,
        "get_rng_state": state,
        "get_rng_state_all": lambda: [state() for _ in range(machine.gpus)],
        "set_rng_state": nothing,
        "set_rng_state_all": nothing,
        "memory_stats": lambda *_, **__: {},
        "mem_get_info": lambda *_: (140 << 30, 141 << 30),
        "max_memory_allocated": zero,
        "memory_allocated": zero,
        "memory_reserved": zero,
        "get_device_properties": lambda *_: properties,
        "current_stream": lambda *_: stream,
        "stream": lambda *_: nullcontext(),
        "Stream": lambda *_: stream,
        "is_current_stream_capturing": lambda: False,
    }


def patches(machine: Machine) -> Iterator[Any]:
    """What asks for devices beside tensors."""
    import bitsandbytes
    import peft

    assert bitsandbytes and peft  # what they import looks for CUDA, and must find none
    for part in (who_is_there, several_processes, beyond_python, weights_and_kernels):
        yield from part(machine)


def who_is_there(machine: Machine) -> Iterator[Any]:
    """torch.cuda and Lightning's accelerators."""
    import lightning.fabric.accelerators.cuda as lightning_cuda
    import lightning.fabric.accelerators.mps as lightning_mps

    if machine.kind == "mps":
        yield patch.object(torch.backends.mps, "is_available", lambda: True)
        yield patch.object(lightning_mps.MPSAccelerator, "is_available", lambda: True)
        yield patch.object(lightning_mps, "_get_all_available_mps_gpus", lambda: [0])
    for name, pretended in cuda_of(machine).items() if machine.kind == "cuda" else ():
        yield patch.object(torch.cuda, name, pretended)
    yield patch.object(lightning_cuda, "num_cuda_devices", lambda: machine.gpus if machine.kind == "cuda" else 0)
    yield patch.object(lightning_cuda, "is_cuda_available", lambda: machine.kind == "cuda")
    yield patch.object(lightning_cuda, "_check_cuda_matmul_precision", lambda _: None)


def several_processes(machine: Machine) -> Iterator[Any]:
    """Distributed data parallel."""
    import lightning.pytorch.strategies.ddp as lightning_ddp

    connect = lightning_ddp._init_dist_connection
    # gloo takes what lies on a CPU, as all does here
    yield patch.object(lightning_ddp, "_init_dist_connection", lambda cluster, *_, **__: connect(cluster, "gloo"))

    ddp = torch.nn.parallel.DistributedDataParallel
    for name in ("__init__", "_pre_forward"):  # they make the buckets in which gradients are summed, beyond Python
        yield patch.object(ddp, name, made_on_the_current(machine, getattr(ddp, name)))


def beyond_python(machine: Machine) -> Iterator[Any]:
    """What torch does in C++, where no mode of Python's is asked: grouping, autocast, the backward pass."""
    import torch.amp.autocast_mode as amp
    import torch.nn.utils.clip_grad as clipping
    import torch.utils.checkpoint as checkpoint

    group = clipping._group_tensors_by_device_and_dtype

    def grouped(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        """By the pretended devices; torch asks for them beyond Python."""
        found = group(tensors, *args, **kwargs)
        return {(machine.of(each[0][0]), dtype): (each, at) for (_, dtype), (each, at) in found.items()}

    yield patch.object(clipping, "_group_tensors_by_device_and_dtype", grouped)

    begin = amp.autocast.__init__

    def autocast(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        begin(self, real(device_type), *args, **kwargs)

    is_on, dtype_of = torch.is_autocast_enabled, torch.get_autocast_dtype
    real = lambda device: "cpu" if device == machine.kind else device  # noqa: E731
    yield patch.object(amp.autocast, "__init__", autocast)
    yield patch.object(torch, "is_autocast_enabled", lambda device="cuda": is_on(real(device)))
    yield patch.object(torch, "get_autocast_dtype", lambda device: dtype_of(real(device)))

    def backward(
        self: Tensor, gradient: Any = None, retain: Any = None, create: bool = False, inputs: Any = ()
    ) -> None:
        """By torch's engine, and not by way of __torch_function__: layers that are computed anew need the mode."""
        slope = torch.ones_like(self) if gradient is None else gradient
        _engine_run_backward(
            (self,), (slope,), bool(retain), create, inputs, allow_unreachable=True, accumulate_grad=True
        )

    yield patch.object(Tensor, "backward", backward)

    # what a layer saved is compared with what it saves anew, by hooks that see the pretended device at times
    known = {"shape": lambda x: x.shape, "dtype": lambda x: x.dtype}
    extract = lambda x: {name: of(x) for name, of in known.items()}  # noqa: E731
    yield patch.dict(checkpoint._allowed_determinism_checks_to_fns, {checkpoint._DEFAULT_DETERMINISM_MODE: extract})


def weights_and_kernels(machine: Machine) -> Iterator[Any]:
    """The loading of weights, and our own kernel for sequences of any lengths."""
    import transformers

    import summpo.models.forward.shared_prefix as shared_prefix

    load = transformers.PreTrainedModel.from_pretrained.__func__

    def from_pretrained(cls: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads onto the CPU, over the meta device; packed weights come to lie on the current device."""
        is_packed = kwargs.get("quantization_config") is not None
        machine.is_off = True
        try:
            found = load(cls, *args, **kwargs, device_map={"": "cpu"} if is_packed else None)
        finally:
            machine.is_off = False
        model = found[0] if isinstance(found, tuple) else found
        for weight in (*model.parameters(), *model.buffers()) if is_packed else ():
            machine.put(weight, machine.device("cuda"))  # as transformers has it without a word of where
        return found

    yield patch.object(transformers.PreTrainedModel, "from_pretrained", classmethod(from_pretrained))
    yield patch.object(shared_prefix, "is_proven", lambda *_: True)
    yield patch.object(shared_prefix, "flash_attention", lambda: functools.partial(varlen, machine))


def made_on_the_current(machine: Machine, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; tensors that it makes without a word of where lie on the current device."""

    def within(*args: Any, **kwargs: Any) -> Any:
        before, machine.target = machine.target, machine.device("cuda")
        try:
            return call(*args, **kwargs)
        finally:
            machine.target = before

    return within


def varlen(machine: Machine, *args: Any) -> Tensor:
    """The kernel for sequences of any lengths, as one launch each way."""
    from support.varlen_kernels import by_the_contract

    kernel = by_the_contract(rounds=True)

    class Varlen(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            ctx.args = args
            machine.seen.launches[machine.phase, "varlen_forward"] += 1
            with _disable_current_modes(), torch.no_grad():
                found = kernel(*args)
            return machine.put(found, machine.of(args[0]))

        @staticmethod
        def backward(ctx: Any, *slopes: Any) -> Any:
            machine.seen.launches[machine.phase, "varlen_backward"] += 1
            with _disable_current_modes(), torch.enable_grad():
                leaves = [each.detach().requires_grad_() for each in ctx.args[:3]]
                found = torch.autograd.grad(kernel(*leaves, *ctx.args[3:]), leaves, slopes[0])
            return *[machine.put(each, machine.of(ctx.args[0])) for each in found], None, None, None, None, None

    return Varlen.apply(*args)


def phases(machine: Machine) -> Iterator[Any]:
    """Names what the counts belong to."""
    from summpo.training.module import TrainingModule

    def named(call: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @functools.wraps(call)
        def within(*args: Any, **kwargs: Any) -> Any:
            before, machine.phase = machine.phase, phase
            machine.seen.calls[phase] += 1
            try:
                return call(*args, **kwargs)
            finally:
                machine.phase = before
                if phase == "step":
                    machine.seen.waits_by_step.append(machine.seen.waits.total())

        return within

    for owner, name, phase in (
        (TrainingModule, "training_step", "training_step"),
        (TrainingModule, "validation_step", "validation_step"),
        (TrainingModule, "backward", "backward"),
        (TrainingModule, "configure_gradient_clipping", "clipping"),
        (torch.optim.AdamW, "step", "step"),
    ):
        yield patch.object(owner, name, named(getattr(owner, name), phase))


@contextmanager
def pretended(gpus: int = 1, kind: str = "cuda") -> Iterator[Seen]:
    """As if this machine had so many GPUs; or, where the kind is mps, Apple's, which knows no float64.

    Yields:
        What happens on them.
    """
    machine = Machine(gpus, kind)
    with ExitStack() as stack:
        for each in (*patches(machine), *phases(machine)):
            stack.enter_context(each)
        stack.enter_context(Operations(machine))
        stack.enter_context(Devices(machine))
        yield machine.seen


_to_the_end = ExitStack()


def pretended_to_the_end(gpus: int) -> Seen:
    """The same, to the end of the process."""
    return _to_the_end.enter_context(pretended(gpus))
