"""Activation checkpointing: a layer's activations are computed once more in the backward pass and not kept for it."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from summpo.errors import require
from summpo.models.weights.loading import quiet


def recompute_activations(model: PreTrainedModel, wanted: bool) -> None:
    """Makes ready the layers of a model, or takes that back; `start_recomputing` then says when.

    Raises:
        UserError: wanted of a model that transformers does not know how to do this for.
    """
    with quiet():  # of the names that these have in later versions of transformers
        if wanted:
            require(
                model.supports_gradient_checkpointing,
                f"a {type(model).__name__} cannot compute its layers anew (config key activation_checkpointing)",
            )
            model.gradient_checkpointing_enable({"use_reentrant": False})
        elif model.is_gradient_checkpointing:
            model.gradient_checkpointing_disable()


def start_recomputing(model: nn.Module) -> None:
    """Puts the layers that are ready into training mode, in which transformers does it, and nothing inside them.

    Some (OPT) drop out by their own flag: that stays off, as all dropout of a base does.
    """
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer) and layer.gradient_checkpointing:
            layer.training = True
            if isinstance(getattr(layer, "dropout", None), float):
                layer.dropout = 0.0  # pyright: ignore[reportArgumentType]
