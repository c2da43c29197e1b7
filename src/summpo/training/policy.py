"""From a run's parts to what it needs loaded: rows, tokenizer and policy; and the policy's weights to files."""

import json
import logging
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from summpo.columns.base import Base
from summpo.columns.reuse import make_room, on_disk, reused, take_base
from summpo.errors import require
from summpo.margin_rewards.checks import check_columns, column_rewards
from summpo.models.forward.log_probs import has_frozen_head
from summpo.models.speed.activation_checkpointing import recompute_activations
from summpo.models.speed.cached_autocast import cast_once
from summpo.models.speed.lora_layers import halve_lora
from summpo.models.speed.torch_compile import compile_layers
from summpo.models.weights.adapters import add_lora, load_adapter, save_adapter, targets_of, unlike
from summpo.models.weights.folders import ADAPTER_CONFIG
from summpo.models.weights.loading import load_base, load_scorer
from summpo.models.weights.saving import save_full
from summpo.models.weights.sources import base_name
from summpo.runs.run_folder import RunFolder
from summpo.text.rows import Rows
from summpo.training.settings import TrainSettings

log = logging.getLogger(__name__)


def lora_of(settings: TrainSettings) -> dict[str, Any] | None:
    """What the adapter that trains is made of, whether it is fresh or goes on; None where all weights train."""
    if settings.model.adapter is None:
        return None if settings.lora is None else asdict(settings.lora)
    file = Path(settings.model.adapter).expanduser() / ADAPTER_CONFIG
    made_with = json.loads(file.read_text("utf-8"))
    names = {"r": "r", "alpha": "lora_alpha", "target_modules": "target_modules"}
    return {ours: made_with.get(theirs) for ours, theirs in names.items()} | {"dropout": dropout_of(settings)}


def dropout_of(settings: TrainSettings) -> float:
    """The adapter's dropout in training: where it goes on, too, this run's setting and not its former training's."""
    return 0.0 if settings.lora is None else settings.lora.dropout


def text_rows(settings: TrainSettings, split: str) -> Rows:
    """The data set's rows of a split, as many as its limit allows, of the kind that the objective learns from."""
    return settings.kind.read(settings.dataset, split)[: settings.dataset.limit]  # type: ignore[arg-type]


def held_out_rows(settings: TrainSettings) -> Rows:
    """The validation rows that a run asks for; none where it does not validate."""
    validation = settings.validation
    return text_rows(settings, "validation")[: validation.rows] if validation.times else []


def check_rows(settings: TrainSettings, held_out: Rows, source: Any) -> None:
    """Checks that a run's rows have what its margin rewards read, before the model is looked for.

    The training rows are read for it, once a sweep, and let go of; where no reward reads a column, they are not read.

    Args:
        source: what the training rows are made from, as `source_of` tells it.

    Raises:
        UserError: naming the row that lacks something.
    """
    readers = column_rewards(settings.margins)
    if readers:
        check_columns(settings.margins, held_out)
        reused(
            "checked rows",
            (source, readers),
            lambda: check_columns(settings.margins, text_rows(settings, "train")),
        )


def source_of(settings: TrainSettings, split: str) -> Any:
    """What the rows of a split are made from: the data set's settings, and its files as they are on this disk.

    Equal to nothing where the rows come from elsewhere, such as the Hub.
    """
    dataset = settings.dataset
    values = [getattr(dataset, field.name) for field in fields(dataset)]  # type: ignore[arg-type]
    files = [on_disk(Path(text)) for text in values if isinstance(text, str) and Path(text).expanduser().exists()]
    path = getattr(dataset, "path", None)
    is_here = path is not None and Path(path).expanduser().exists()
    return (dataset, settings.kind.name, split, files) if is_here else object()


def load_plain(settings: TrainSettings, base: Base) -> PreTrainedModel:
    """The base's weights without any adapter: a language model, or one under a head that scores."""
    if settings.trains_scorer:
        return load_scorer(base.folder, settings.start, base.pad_id)
    return load_base(base.folder, settings.start)


def make_policy(settings: TrainSettings, base: Base) -> nn.Module:
    """The model that trains: on a fresh adapter, on the adapter that the run starts from, or in all its weights."""
    torch.manual_seed(settings.seed)
    if settings.trains_scorer or not settings.trains_adapter:
        make_room()
        model = load_plain(settings, base)
    else:
        model = take_base(base.folder, settings.start)
        torch.manual_seed(settings.seed)  # whether it was loaded, which may draw, or kept
    cast_once(model, head=model.get_output_embeddings())
    recompute_activations(model, settings.activation_checkpointing)
    if settings.compile:
        compile_layers(model)
    policy = with_adapter(model, settings, base)
    halve_lora(policy)
    return policy


def with_adapter(model: PreTrainedModel, settings: TrainSettings, base: Base) -> nn.Module:
    """The model under the adapter that trains; as it is where all its weights do."""
    if settings.model.adapter is not None:
        adapter = Path(settings.model.adapter).expanduser()
        layers = set() if settings.lora is None else targets_of(model, settings.lora)
        policy = load_adapter(model, adapter, base.fingerprint, trainable=True, dropout=dropout_of(settings))
        differences = ", ".join(unlike(policy, adapter, settings.lora, layers))
        if differences:
            log.info(f"lora: goes on training {adapter} with {differences}")
        return policy
    if settings.lora is not None:
        return add_lora(model, settings.lora)
    require(settings.model.quantization is None, "quantised weights cannot train: set lora, or model.quantization=null")
    return model


def say_of_precision(settings: TrainSettings) -> None:
    """Says so where all weights train, and are held otherwise than asked for (`TrainSettings.start`)."""
    asked_for, held = settings.model.dtype, settings.start.dtype
    if held != asked_for:
        slow = "" if "mixed" in settings.trainer.precision else "; trainer.precision=bf16-mixed computes in bfloat16"
        log.info(
            f"model: all its weights train, so they are held in {held}: in {asked_for} (model.dtype) most "
            f"steps of training would be rounded away{slow}"
        )


def say_of_logits(settings: TrainSettings, policy: nn.Module) -> None:
    """Says so where the memory of a step grows with the vocabulary."""
    if not settings.trains_scorer and not has_frozen_head(policy):
        log.info(
            "logits: those of all completions of a batch are held at once, for the LM head is not plain and frozen"
        )


def save(policy: nn.Module, base: Base, settings: TrainSettings, run: RunFolder) -> Path:
    """The adapter, or the whole model where all weights trained; returns its folder."""
    policy.to("cpu")
    if not settings.trains_adapter:
        save_full(policy, run.model, base.tokenizer)  # type: ignore[arg-type]
        return run.model
    name = base_name(settings.model, base.folder)  # a Hub id or a folder: what plain PEFT finds again
    save_adapter(policy, run.adapter, name, base.fingerprint, base.tokenizer)  # type: ignore[arg-type]
    return run.adapter
