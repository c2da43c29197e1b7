"""LoRA layers with the gradient written out: PEFT's own to the bit, and their copies are of the weights as they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from summpo.models import Lora
from summpo.models.speed.activation_checkpointing import recompute_activations, start_recomputing
from summpo.models.speed.cached_autocast import cast_once
from summpo.models.speed.lora_layers import HalfLora, halve_lora
from summpo.models.weights.adapters import add_lora
from support.random_models import random_model

IDS = torch.arange(3, 40)[None]


def policy_of(family: str, halves: bool, base: torch.dtype = torch.float32, recomputes: bool = False, **lora: object):
    """A random model of a family with an adapter whose B is not 0."""
    model = random_model(family).to(base)
    cast_once(model, head=model.get_output_embeddings())
    recompute_activations(model, recomputes)
    torch.manual_seed(1)
    policy = add_lora(model, Lora(**{"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"} | lora))
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    policy.eval()
    for name, layer in policy.named_modules():
        if "lora_dropout" in name:
            layer.train()
    start_recomputing(policy)
    if halves:
        halve_lora(policy)
    return policy


def answers(policy: torch.nn.Module, autocast: torch.dtype | None = torch.bfloat16) -> list[Tensor]:
    """The logits and all gradients."""
    policy.zero_grad()
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=autocast, enabled=autocast is not None):
        logits = policy(input_ids=IDS, use_cache=False).logits.float()
    logits.square().mean().backward()
    return [logits.detach(), *(p.grad.clone() for p in policy.parameters() if p.grad is not None)]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs) > 10
    for mine, plain in zip(ours, theirs, strict=True):
        assert mine.dtype == plain.dtype and torch.equal(mine, plain)


CASES = {
    "plain": {},
    "a base in bfloat16": {"base": torch.bfloat16},
    "by a factor that is no power of two": {"alpha": 12},
    "a factor of 1": {"alpha": 4},
    "recomputed": {"recomputes": True},
    "without autocast": {"autocast": None},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_equal_to_the_bit(family: str, case: str) -> None:
    """Qwen2's queries, keys and values have a bias."""
    given = dict(CASES[case])
    autocast = given.pop("autocast", torch.bfloat16)
    ours, theirs = (policy_of(family, halves, **given) for halves in (True, False))
    assert sum(type(layer) is HalfLora for layer in ours.modules()) == 14
    for _ in range(2):
        assert_same(answers(ours, autocast), answers(theirs, autocast))


@pytest.mark.parametrize("fused", [False, True])
def test_after_a_step_the_weights_are_those_of_the_step(fused: bool) -> None:
    """A fused step leaves no trace on the weights' version."""
    ours, theirs = (policy_of("llama", halves) for halves in (True, False))
    for _ in range(3):
        for policy in (ours, theirs):
            trainable = [p for p in policy.parameters() if p.requires_grad]
            answers(policy)
            torch.optim.AdamW(trainable, lr=0.1, fused=fused).step()
        assert_same(answers(ours), answers(theirs))


def test_weights_that_are_changed_in_any_other_way_are_those_that_compute() -> None:
    ours, theirs = (policy_of("llama", halves) for halves in (True, False))
    answers(ours)
    for policy in (ours, theirs):
        for name, weight in policy.named_parameters():
            if "lora_A" in name:
                weight.data.mul_(2)
    assert_same(answers(ours), answers(theirs))
    state = {name: value * 0.5 for name, value in theirs.state_dict().items() if "lora_" in name}
    for policy in (ours, theirs):
        policy.load_state_dict({name: value.clone() for name, value in state.items()}, strict=False, assign=True)
        for name, weight in policy.named_parameters():
            weight.requires_grad_("lora_" in name)
    assert_same(answers(ours), answers(theirs))


def test_a_base_layer_with_hooks_or_a_forward_of_its_own_is_called() -> None:
    class Doubled(torch.nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input) * 2

    ours, theirs = (policy_of("llama", halves=False) for _ in range(2))
    for policy in (ours, theirs):
        layers = [layer for layer in policy.modules() if "base_layer" in dict(layer.named_children())]
        layers[0].base_layer.__class__ = Doubled
    halve_lora(ours)
    calls: list[int] = []
    layers = [layer for layer in ours.modules() if type(layer) is HalfLora]
    assert len(layers) == 13
    layers[0].base_layer.register_forward_hook(lambda *_: calls.append(1))
    assert_same(answers(ours), answers(theirs))
    assert calls == [1]


def test_made_where_no_gradient_is_wanted_the_copies_serve_where_one_is() -> None:
    ours, theirs = (policy_of("llama", halves) for halves in (True, False))
    for policy in (ours, theirs):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            policy(input_ids=IDS)
    assert_same(answers(ours), answers(theirs))


def test_without_its_adapter_it_is_the_base() -> None:
    ours, theirs = (policy_of("llama", halves) for halves in (True, False))
    found = []
    for policy in (ours, theirs):
        with policy.disable_adapter(), torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            found.append(policy(input_ids=IDS).logits)
    assert torch.equal(*found)


def test_what_is_more_than_lora_stays_pefts() -> None:
    """GPT-2's layers are no linear ones, and dropout is another; and nothing of it is saved."""
    assert not any(type(layer) is HalfLora for layer in policy_of("llama", halves=True, dropout=0.1).modules())
    policy = policy_of("gpt2", halves=True)
    assert not any(type(layer) is HalfLora for layer in policy.modules())
    assert_same(answers(policy), answers(policy_of("gpt2", halves=False)))
    ours, theirs = (policy_of("llama", halves) for halves in (True, False))
    answers(ours)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
