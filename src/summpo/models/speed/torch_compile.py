"""torch.compile for the layers of a model: what stands around their matrix products becomes fewer, larger kernels."""

from __future__ import annotations

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from summpo.models.forward.families import SHARED_PREFIX
from summpo.models.forward.shared_prefix import attend


def compile_layers(model: PreTrainedModel) -> None:
    """Compiles each layer at its first batch, for batches of any length. It needs a C++ compiler, and a minute.

    Attention over shared prompts stays outside: its calls differ with every batch, and are fast by themselves.
    """
    AttentionInterface.register(SHARED_PREFIX, torch.compiler.disable(attend))
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.compile(dynamic=True)
