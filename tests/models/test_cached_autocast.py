"""Frozen layers that are cast once: the same to the bit as those that autocast casts at every call."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from summpo.models.speed.cached_autocast import FrozenLinear, cast_once
from support.pretended_cuda import pretended


def layers(frozen: bool = True) -> tuple[nn.Sequential, nn.Sequential]:
    """The same small model, plain and with layers that are cast once."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4, bias=False)).requires_grad_(not frozen)
    other = copy.deepcopy(plain)
    cast_once(other, head=None)
    assert [type(layer) for layer in other] == [FrozenLinear, nn.Tanh, FrozenLinear]
    return plain, other


def answers(model: nn.Module, autocast: bool) -> tuple[Tensor, Tensor]:
    """Output, and the gradient of what was read."""
    read = torch.linspace(-1, 1, 24).reshape(3, 8).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = model(read)
    found.float().square().sum().backward()
    assert read.grad is not None
    return found.detach(), read.grad


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_equal_to_the_bit(autocast: bool, frozen: bool) -> None:
    plain, other = layers(frozen)
    for _ in range(2):
        for ours, theirs in zip(answers(other, autocast), answers(plain, autocast), strict=True):
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    for ours, theirs in zip(other.parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == frozen
        assert frozen or torch.equal(ours.grad, theirs.grad)  # type: ignore[arg-type]


def test_the_copy_is_made_once_and_kept_from_no_change() -> None:
    _, model = layers()
    layer = model[0]
    assert isinstance(layer, FrozenLinear)
    answers(model, autocast=False)
    assert layer._cast is None, "nobody needs it"
    answers(model, autocast=True)
    kept = layer._cast
    before, _ = answers(model, autocast=True)
    assert layer._cast is kept
    with torch.no_grad():
        layer.weight.mul_(2)
    after, _ = answers(model, autocast=True)
    assert not torch.equal(before, after)
    layer.weight.data = layer.weight.data / 2
    assert torch.equal(answers(model, autocast=True)[0], before)


def test_made_where_no_gradient_is_wanted_it_serves_where_one_is() -> None:
    plain, model = layers()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.ones(1, 8))
    for ours, theirs in zip(answers(model, True), answers(plain, True), strict=True):
        assert torch.equal(ours, theirs)


def test_it_is_no_part_of_what_is_saved() -> None:
    plain, model = layers()
    answers(model, autocast=True)
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_other_layers_stay_as_they_are() -> None:
    """Half precision needs no copy, a layer of another class knows itself what to do, and so does who reads the head."""

    class Own(nn.Linear):
        pass

    model = nn.ModuleList([nn.Linear(2, 2).bfloat16(), Own(2, 2), nn.Embedding(2, 2), nn.Linear(2, 2)])
    cast_once(model, head=model[3])
    assert [type(layer) for layer in model] == [nn.Linear, Own, nn.Embedding, nn.Linear]


def test_no_copy_is_left_where_the_weights_come_from() -> None:
    with pretended() as seen:
        _, model = layers()
        model.to("cuda")
        with torch.autocast("cuda", dtype=torch.bfloat16):
            model(torch.ones(1, 8, device="cuda"))
        layer = model[0]
        assert isinstance(layer, FrozenLinear) and layer._cast is not None
        assert layer._cast[0].device.type == "cuda"
        model.to("cpu")
        assert layer._cast is None
    assert not seen.faults
