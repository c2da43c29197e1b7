"""How often layers are compiled: once, whatever a batch holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch._dynamo
from torch import nn
from torch._dynamo.utils import counters

from summpo.models import Model
from summpo.models.forward.layouts import share_prefixes
from summpo.models.forward.log_probs import completion_log_probs
from summpo.models.speed.torch_compile import compile_layers
from summpo.models.weights.loading import load_base
from summpo.records import Batch


def batch_of(prompts: int) -> Batch:
    """Two completions of each of so many prompts, of 3 to 12 tokens."""
    draw = np.random.default_rng(prompts)
    ids = [draw.integers(3, 90, draw.integers(3, 12)) for _ in range(3 * prompts)]
    sequences = [(ids[i], ids[prompts + i * 2 + side]) for side in (0, 1) for i in range(prompts)]
    return Batch(row_ids=(), share=torch.ones(len(sequences)), **share_prefixes(sequences))


def test_batches_of_any_number_of_prompts_take_the_same_graphs(
    tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two halves of each of two layers, before the attention and behind it; traced as ever, computed as they stand."""
    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, **more: compiled(self, backend="eager", **more))
    torch._dynamo.reset()
    counters.clear()
    model = load_base(tiny_model_path, Model(path=str(tiny_model_path))).train()
    plain = {prompts: completion_log_probs(model, batch_of(prompts)).tokens.detach() for prompts in range(3, 12)}
    compile_layers(model)
    graphs = []
    for prompts in range(3, 12):
        found = completion_log_probs(model, batch_of(prompts)).tokens
        found.sum().backward()
        torch.testing.assert_close(found, plain[prompts], rtol=0, atol=1e-5)
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs == [4] * 9
    assert not counters["unimplemented"]
