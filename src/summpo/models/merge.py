"""Base + adapter to one plain model: into the original weights, or into those that a 4-bit base held for the adapter.

Knows no data: what a merge costs in validation loss is asked of a function that it is given.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from summpo.errors import require, require_choice
from summpo.models import Model
from summpo.models.adapters import load_adapter, take_off
from summpo.models.fingerprints import fingerprint_adapter, fingerprint_weights
from summpo.models.folders import SCORES, adapter_task, check_adapter, stored_dtype
from summpo.models.loading import load_base, load_scorer, load_tokenizer, quiet
from summpo.models.saving import save_full
from summpo.models.sources import base_name, resolve

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

BaseWeights = Literal["original", "dequantized"]
BASE_WEIGHTS: tuple[BaseWeights, ...] = ("original", "dequantized")

MADE_FROM = "merged_from.json"
"""In a merged folder: the fingerprints of base and adapter, which weights of the base, and the validation losses."""
TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 6e-2}
"""How far logits may go by rounding the weights to this type, as a share of the largest."""


class ValidationLoss(Protocol):
    """The mean loss of a model on so many rows that it has not trained on."""

    def __len__(self) -> int: ...

    def __call__(self, model: nn.Module) -> float:
        """It may move the model to another device."""
        ...


@dataclass(frozen=True)
class Merged:
    """What lies in a merged folder."""

    is_new: bool
    """False where this very sum lay there already, and nothing was done."""
    base: BaseWeights
    """Which weights of the base the adapter was added to."""
    losses: dict[str, float]
    """The validation loss before the merge (quantized: the 4-bit base with its adapter) and after it, by the base's
    weights (original, dequantized), in the type that was saved; and of how many rows. Empty where there is none."""


@dataclass(frozen=True)
class _Sum:
    """An adapter and the base that it was trained on."""

    model: Model
    """The base as it was held in training; without an adapter."""
    folder: Path
    adapter: Path
    fingerprint: str
    """Of the base."""
    pad_id: int

    def load(self, model: Model) -> PreTrainedModel:
        """The base held as `model` says, under a head where the adapter is a reward model's."""
        if adapter_task(self.adapter) == SCORES:
            return load_scorer(self.folder, model, self.pad_id)
        return load_base(self.folder, model)

    def with_adapter(self, base: PreTrainedModel) -> PeftModel:
        return load_adapter(base, self.adapter, self.fingerprint, trainable=False)


def base_weights(model: Model, asked_for: str | None) -> BaseWeights:
    """Which weights of the base an adapter is added to; by default those that it was trained on.

    Raises:
        UserError: none of `BASE_WEIGHTS`, or dequantized weights of a base that was not quantised.
    """
    require_choice("base", asked_for, (None, *BASE_WEIGHTS))
    require(
        asked_for != "dequantized" or model.quantization is not None,
        f"base=dequantized is for an adapter that was trained on quantised weights, and {model.path} was not quantised "
        "(model.quantization is null; config key base)",
    )
    if asked_for is None:
        return "original" if model.quantization is None else "dequantized"
    return "original" if asked_for == "original" else "dequantized"


def merge(
    model: Model,
    adapter: Path,
    out: Path,
    dtype: str,
    cache_dir: Path,
    base: str | None = None,
    make_loss: Callable[[], ValidationLoss | None] = lambda: None,
) -> Merged:
    """Adds an adapter to the weights of its base and saves the sum as a plain transformers folder.

    Each layer's sum is taken in float32 and rounded once, and is checked to compute what base and adapter compute
    together. One model is in memory at a time, in the wider of the types in which it is held and saved.

    Args:
        model: the base as the adapter was trained on it; its own adapter plays no part.
        out: a folder that is not there yet, or is empty.
        dtype: type of the weights as saved.
        base: original adds to the weights as they were before a quantisation, dequantized to those that the quantised
            base held, so that the sum is the model that was trained; None for the latter where there is one.
        make_loss: gives the loss that the base with its adapter, where it was quantised, and both sums are asked for;
            called before a model is loaded, and not where the sum is there already. None asks for nothing.

    Raises:
        UserError: where `out` holds something, the adapter belongs to another base, or a folder cannot be read or
            written; and as `base_weights`.
        RuntimeError: where the merged weights compute something else.
    """
    require_choice("dtype", dtype, tuple(TOLERANCE))
    chosen = base_weights(model, base)
    check_adapter(adapter)
    plain = replace(model, adapter=None)
    folder = resolve(plain, cache_dir)
    fingerprint = fingerprint_weights(folder, cache_dir)
    made_from = {"base": fingerprint, "adapter": fingerprint_adapter(adapter), "dtype": dtype, "base_weights": chosen}
    if chosen == "dequantized":
        made_from["quantization"] = f"{model.quantization} of {model.dtype}"
    known = _record(out)
    if known.items() >= made_from.items():
        return Merged(False, chosen, known.get("validation_loss", {}))
    require(
        not out.exists() or (out.is_dir() and not any(out.iterdir())),
        f"the folder for the merged model is not empty: {out} (config key output_dir)",
    )
    tokenizer = load_tokenizer(folder, model.trust_remote_code)
    of = _Sum(plain, folder, adapter, fingerprint, int(tokenizer.pad_token_id))  # type: ignore[arg-type]
    loss_of = None if model.quantization is None else make_loss()
    losses: dict[str, float] = {}
    if loss_of is not None:
        other = "original" if chosen == "dequantized" else "dequantized"
        losses = {"rows": len(loss_of), **_merged(of, other, dtype, loss_of)[1]}
        gc.collect()  # the cycles of PEFT's layers still hold it
    merged, found = _merged(of, chosen, dtype, loss_of)
    losses |= found
    held = "" if chosen == "original" else f" as {model.quantization} held them"
    story = f"Base `{base_name(model, folder)}`, with the adapter `{adapter.name}` added to its weights{held}."
    record = made_from | ({"validation_loss": losses} if losses else {})
    save_full(merged, out, tokenizer, story, {MADE_FROM: json.dumps(record, indent=1) + "\n"})
    return Merged(True, chosen, losses)


def _merged(
    of: _Sum, weights: BaseWeights, dtype: str, loss_of: ValidationLoss | None
) -> tuple[PreTrainedModel, dict[str, float]]:
    """The sum as a plain model, and the losses asked for: its own, and the 4-bit base's where that was loaded."""
    losses: dict[str, float] = {}
    if weights == "original":
        held = dtype if stored_dtype(of.folder) == dtype else "float32"  # never rounded before the sum
        base = of.load(replace(of.model, dtype=held, quantization=None))  # type: ignore[arg-type]
    else:
        held, base = of.model.dtype, of.load(of.model)
        if loss_of is not None:
            policy = of.with_adapter(base)
            losses["quantized"] = loss_of(policy)
            base = take_off(policy)
        with quiet():
            base: PreTrainedModel = base.dequantize()  # layer by layer, what each of them multiplied by
    policy = of.with_adapter(base)
    before = _probe(policy.get_base_model())
    merged = _add_up(policy, dtype)
    tolerance = max(TOLERANCE[held], TOLERANCE[dtype])
    # an adapter of other tools on a head that shares the embeddings' weights would change both
    if not (_probe(merged) - before).abs().max() <= tolerance * before.abs().max():
        raise RuntimeError(f"merging {of.adapter} into {of.folder} changes what they compute, so nothing was written")
    return merged, losses | ({} if loss_of is None else {weights: loss_of(merged)})


def _add_up(policy: PeftModel, dtype: str) -> PreTrainedModel:
    """Adds an adapter to its base layer by layer, so that one alone is ever held in float32 for the sum."""
    import torch
    from peft.tuners.lora import LoraLayer

    stored = getattr(torch, dtype)
    for layer in policy.modules():
        if isinstance(layer, LoraLayer):
            own = layer.get_base_layer().float()
            layer.merge()
            own.to(stored)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All adapters are already merged")
        return policy.merge_and_unload().to(stored)  # pyright: ignore[reportCallIssue]


def _record(folder: Path) -> dict[str, Any]:
    """What a merged folder says that it was made from; empty where it is none. Unsaid, the weights are the original."""
    try:
        record = json.loads((folder / MADE_FROM).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {"base_weights": "original"} | record if isinstance(record, dict) else {}


def _probe(model: Any) -> Tensor:
    """Logits of a few arbitrary tokens, float32."""
    import torch

    with torch.no_grad():
        return model((torch.arange(16)[None] % model.config.vocab_size).to(model.device)).logits.float().cpu()
