"""A base in 4 bits under an adapter: what is quantised, and that nothing else about training changes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from test_families import SEQUENCES, assert_same_gradients, batch_of, gradients
from torch import nn

from summpo.models import Lora, Model
from summpo.models.forward.families import SHARED_PREFIX
from summpo.models.forward.log_probs import completion_log_probs
from summpo.models.speed.activation_checkpointing import recompute_activations, start_recomputing
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from support.families import tiny

LORA = Lora(r=4, alpha=8)


def policy_of(folder: Path, lora: Lora = LORA, **settings: Any) -> Any:
    """On the model in a folder, in 4 bits; the adapter does something, the same each time."""
    base = load_base(folder, Model(path=str(folder), quantization="nf4", **settings))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        policy = add_lora(base, lora)
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.1)
    return policy.eval()


@pytest.fixture(params=["llama", "qwen2"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tiny model whose head has weights of its own; Qwen2 has biases."""
    tiny(request.param, "sdpa", tie_word_embeddings=False).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_all_linear_layers_but_the_head_are_quantised_and_adapted(folder: Path, dtype: str) -> None:
    """Seven a block: the head stays as it is, in 4 bits and in the adapter. Scales are held in 8 bits."""
    policy = policy_of(folder, dtype=dtype)
    adapted = {name.removesuffix(".lora_A") for name, _ in policy.named_modules() if name.endswith(".lora_A")}
    quantised = {name.removesuffix(".base_layer") for name, m in policy.named_modules() if isinstance(m, Linear4bit)}
    assert len(adapted) == 2 * 7 and adapted == quantised
    assert type(policy.get_output_embeddings()) is nn.Linear
    for layer in policy.modules():
        if isinstance(layer, Linear4bit):
            assert layer.compute_dtype == getattr(torch, dtype)
            assert layer.weight.quant_state.nested and layer.weight.quant_state.quant_type == "nf4"


def test_shared_prompts_are_read_as_padded_ones(folder: Path) -> None:
    """Log-probs and the adapter's gradients, over rows with prompts in common."""
    policy = policy_of(folder)
    assert policy.get_base_model().config._attn_implementation == SHARED_PREFIX
    found = [completion_log_probs(policy, batch_of(SEQUENCES, shared)).tokens for shared in (True, False)]
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)
    assert_same_gradients(gradients(policy, found[0]), gradients(policy, found[1]))


def test_layers_computed_twice_drop_out_the_same(folder: Path) -> None:
    """Activation checkpointing draws the adapter's dropout again as it was: same loss, same gradients, to the bit."""
    found = []
    for recomputes in (False, True):
        policy = policy_of(folder, Lora(r=4, alpha=8, dropout=0.5))
        recompute_activations(policy.get_base_model(), recomputes)
        start_recomputing(policy)
        for name, layer in policy.named_modules():
            layer.training |= "lora_dropout" in name
        torch.manual_seed(2)
        log_probs = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
        found.append((log_probs, gradients(policy, log_probs)))
        assert not torch.equal(log_probs, completion_log_probs(policy, batch_of(SEQUENCES)).tokens), "it drops out"
    assert torch.equal(found[0][0], found[1][0])
    assert_same_gradients(found[1][1], found[0][1], tolerance=0)
    assert all(gradient.abs().sum() > 0 for gradient in found[0][1].values())


def test_dequantised_it_computes_the_same(folder: Path) -> None:
    """Each layer's weights become those that it multiplied by, double quantisation and all; nothing is left of 4 bits."""
    base: Any = load_base(folder, Model(path=str(folder), quantization="nf4"))
    tokens = torch.arange(2, 40)[None]
    with torch.no_grad():
        before = base(tokens).logits
        plain = base.dequantize()
        torch.testing.assert_close(plain(tokens).logits, before, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(layer, Linear4bit) for layer in plain.modules())
    assert not hasattr(plain.config, "quantization_config")
