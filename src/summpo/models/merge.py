"""Base + adapter to one plain model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.errors import require, require_choice
from summpo.models import Model
from summpo.models.adapters import load_adapter
from summpo.models.fingerprints import fingerprint_adapter, fingerprint_weights
from summpo.models.folders import SCORES, adapter_task, check_adapter
from summpo.models.loading import load_base, load_scorer, load_tokenizer
from summpo.models.saving import save_full
from summpo.models.sources import base_name, resolve

if TYPE_CHECKING:
    from torch import Tensor

MADE_FROM = "merged_from.json"
"""In a merged folder: the fingerprints of base and adapter."""


def merge(model: Model, adapter: Path, out: Path, dtype: str, cache_dir: Path) -> bool:
    """Adds an adapter to the weights of its base and saves the sum as a plain transformers folder.

    The sum is taken in float32 over the unquantised base, also for an adapter trained on a quantised one, and is
    checked to compute what base and adapter compute together.

    Args:
        model: names the base; its own dtype, quantisation and adapter play no part, its rope_scaling is kept.
        out: a folder that is not there yet, or is empty.
        dtype: type of the weights as saved.

    Returns:
        False where `out` holds this very sum already, and nothing was done.

    Raises:
        UserError: where `out` holds something, the adapter belongs to another base, or a folder cannot be read or
            written.
        RuntimeError: where the merged weights compute something else.
    """
    import torch

    require_choice("dtype", dtype, ("float32", "bfloat16", "float16"))
    check_adapter(adapter)
    folder = resolve(replace(model, adapter=None), cache_dir)
    base_fingerprint = fingerprint_weights(folder, cache_dir)
    made_from = {"base": base_fingerprint, "adapter": fingerprint_adapter(adapter), "dtype": dtype}
    if model.rope_scaling is not None:
        made_from["rope_scaling"] = json.dumps(dict(model.rope_scaling), sort_keys=True)
    if _made_from(out) == made_from:
        return False
    require(
        not out.exists() or (out.is_dir() and not any(out.iterdir())),
        f"the folder for the merged model is not empty: {out} (config key output_dir)",
    )
    tokenizer = load_tokenizer(folder, model.trust_remote_code)
    plain = replace(model, dtype="float32", quantization=None)
    is_scorers = adapter_task(adapter) == SCORES
    base = load_scorer(folder, plain, int(tokenizer.pad_token_id)) if is_scorers else load_base(folder, plain)  # type: ignore[arg-type]
    policy = load_adapter(base, adapter, base_fingerprint, trainable=False)
    before = _probe(policy.get_base_model())
    merged: Any = policy.merge_and_unload()
    # an adapter of other tools on a head that shares the embeddings' weights would change both
    if not torch.allclose(before, _probe(merged), rtol=1e-3, atol=1e-3 * float(before.abs().max())):
        raise RuntimeError(f"merging {adapter} into {folder} changes what they compute, so nothing was written")
    merged.to(getattr(torch, dtype))
    story = f"Base `{base_name(model, folder)}`, with the adapter `{adapter.name}` added to its weights."
    save_full(merged, out, tokenizer, story, {MADE_FROM: json.dumps(made_from, indent=1) + "\n"})
    return True


def _made_from(folder: Path) -> dict[str, str] | None:
    """What a merged folder says that it was made from; None where it is none."""
    try:
        return json.loads((folder / MADE_FROM).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _probe(model: Any) -> Tensor:
    """Logits of a few arbitrary tokens."""
    import torch

    with torch.no_grad():
        return model(torch.arange(16)[None] % model.config.vocab_size).logits
