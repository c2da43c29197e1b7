"""Base + adapter to one plain model: into the original weights, or into those that a 4-bit base held for the adapter.

Knows no data: what a merge costs in validation loss is asked of a function that it is given.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from summpo.errors import UserError, require, require_choice
from summpo.files.provenance import Provenance, differences, read_record_if_whole
from summpo.models import Model
from summpo.models.weights.adapters import load_adapter, take_off
from summpo.models.weights.fingerprints import fingerprint_adapter, fingerprint_weights
from summpo.models.weights.folders import SCORES, adapter_task, check_adapter, stored_dtype
from summpo.models.weights.loading import load_base, load_scorer, load_tokenizer, quiet
from summpo.models.weights.saving import save_full
from summpo.models.weights.sources import base_name, resolve

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

BaseWeights = Literal["original", "dequantized"]
BASE_WEIGHTS: tuple[BaseWeights, ...] = ("original", "dequantized")

MADE_FROM = "merged_from.json"
"""In a merged folder: the fingerprints of base and adapter, which weights of the base, and the validation losses."""


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
    """Fingerprint of the base."""
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

    Each layer's sum is taken in float32, is checked to compute what base and adapter compute together, and is rounded
    once. One model is in memory at a time, in the wider of the types in which it is held and saved.

    Args:
        model: the base as the adapter was trained on it; its own adapter plays no part.
        out: a folder that is not there yet, or is empty.
        dtype: type of the weights as saved.
        base: original adds to the weights as they were before a quantisation, dequantized to those that the quantised
            base held, so that the sum is the model that was trained; None for the latter where there is one.
        make_loss: gives the loss that the base with its adapter, where it was quantised, and both sums are asked for;
            called before a model is loaded, and not where the sum is there already. None asks for nothing.

    Raises:
        UserError: where `out` holds something, the adapter belongs to another base or changes weights that two of its
            layers share, or a folder cannot be read or written; and as `base_weights`.
        RuntimeError: where a merged layer computes something else.
    """
    require_choice("dtype", dtype, ("float32", "bfloat16", "float16"))
    chosen = base_weights(model, base)
    check_adapter(adapter)
    plain = replace(model, adapter=None)
    folder = resolve(plain, cache_dir)
    fingerprint = fingerprint_weights(folder, cache_dir)
    made_from = {"base": fingerprint, "adapter": fingerprint_adapter(adapter), "dtype": dtype, "base_weights": chosen}
    if chosen == "dequantized":
        made_from["quantization"] = f"{model.quantization} of {model.dtype}"
    if model.rope_scaling is not None:
        made_from["rope_scaling"] = json.dumps(dict(model.rope_scaling), sort_keys=True)
    record = read_record_if_whole(out / MADE_FROM)
    losses_known = record.pop("validation_loss", {})
    was = Provenance({"base_weights": "original"} | record)  # those of a record that does not say which
    changed = differences(was, Provenance(made_from))
    if not changed:
        return Merged(False, chosen, losses_known)
    held = f", which holds one with {changed[0]}" if record else ""
    require(
        not out.exists() or (out.is_dir() and not any(out.iterdir())),
        f"the folder for the merged model is not empty: {out}{held} (config key output_dir)",
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
        dtype_held = dtype if stored_dtype(of.folder) == dtype else "float32"  # never rounded before the sum
        base = of.load(replace(of.model, dtype=dtype_held, quantization=None))  # type: ignore[arg-type]
    else:
        base = of.load(of.model)
        if loss_of is not None:
            policy = of.with_adapter(base)
            losses["quantized"] = loss_of(policy)
            base = take_off(policy)
        with quiet():
            base: PreTrainedModel = base.dequantize()  # layer by layer, what each of them multiplied by
    policy = of.with_adapter(base)
    _check_alone(policy, of.adapter)
    merged = _add_up(policy, of.adapter, dtype)
    return merged, losses | ({} if loss_of is None else {weights: loss_of(merged)})


def _check_alone(policy: PeftModel, adapter: Path) -> None:
    """Checks that no weight under the adapter is another layer's too: the sum would change what that one computes.

    Only other tools make these: on a head that shares the embeddings' weights, or on layers that run several times.

    Raises:
        UserError: naming the layer.
    """
    from peft.tuners.lora import LoraLayer

    why = "layer_replication" if policy.peft_config["default"].layer_replication else "tie_word_embeddings"  # type: ignore[attr-defined]
    owners = Counter(id(weight) for layer in policy.modules() for weight in layer.parameters(recurse=False))
    for name, layer in policy.get_base_model().named_modules():
        shared = isinstance(layer, LoraLayer) and any(owners[id(w)] > 1 for w in layer.get_base_layer().parameters())
        require(
            not shared,
            f"the adapter {adapter} cannot be merged: the weights under it in {name} are another layer's too ({why}), "
            "which it changes otherwise or not at all",
        )


def _add_up(policy: PeftModel, adapter: Path, dtype: str) -> PreTrainedModel:
    """Adds an adapter to its base layer by layer, so that one alone is ever held in float32 for the sum.

    Raises:
        UserError: PEFT has no sum for an adapter of this kind on such a layer.
        RuntimeError: a layer computes something else by its sum.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    stored = getattr(torch, dtype)
    for name, layer in policy.named_modules():
        if isinstance(layer, LoraLayer):
            own = layer.get_base_layer().float()
            before = _probe(layer)
            try:
                layer.merge()
            except (RuntimeError, ValueError, NotImplementedError) as error:
                raise UserError(f"the adapter {adapter} cannot be merged into {name}: {error}") from error
            if not torch.allclose(before, _probe(layer), rtol=1e-3, atol=1e-3 * float(before.abs().max())):
                raise RuntimeError(f"merging the adapter into {name} changes what it computes, so nothing was written")
            own.to(stored)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All adapters are already merged")
        return policy.merge_and_unload().to(stored)  # pyright: ignore[reportCallIssue]


def _probe(layer: Any) -> Tensor:
    """What a layer makes of a few arbitrary tokens or inputs; nothing where it is of another kind than these."""
    import torch
    from torch import nn

    weight = getattr(layer.get_base_layer(), "weight", None)
    if weight is None or weight.dim() != 2:
        return torch.zeros(1)
    inputs = torch.randn(4, layer.in_features, generator=torch.Generator().manual_seed(0))
    if isinstance(layer.get_base_layer(), nn.Embedding):
        inputs = torch.arange(4)
    with torch.no_grad():
        return layer(inputs.to(weight.device))
