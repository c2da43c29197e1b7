"""Attention over rows that hold several completions behind one prompt, without a mask of the whole row.

Importing this file registers it with transformers under the name `SHARED_PREFIX`. A model under that name takes both
kinds of batches: with `shared_prefix` among its inputs each completion sees its prompt and itself; without, all is as
under transformers' sdpa, for sequences whose positions nobody restarts. transformers' own attention would read the
restarted positions of such a row as new documents (sdpa), so that completions lose their prompt, or the row as one
document (flash attention).
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import CONFIG_MAPPING, AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from summpo.models.forward.families import FAMILIES, SHARED_PREFIX
from summpo.models.forward.stretches import lengths_of
from summpo.models.forward.varlen_attention import attend_at_once, flash_attention
from summpo.models.forward.varlen_proof import Heads, is_proven
from summpo.records import SharedPrefix

log = logging.getLogger(__name__)


def why_not(config: Mapping[str, Any], max_length: int, may_run_code: bool = False) -> str | None:
    """Why a model cannot be proven to read such rows as it reads their sequences apart; None where it can.

    Args:
        config: what its config.json says; for the rest transformers' own defaults are asked, such as Mistral's window.
        max_length: tokens of the longest sequence.
        may_run_code: whether code in the model's folder may run.
    """
    family = config.get("model_type")
    if family not in FAMILIES:
        return f"the model family {family} is not proven to read them as it reads the sequences apart"
    if may_run_code and config.get("auto_map"):
        return f"its folder brings code of its own, which need not do what transformers' {family} does"
    kinds = set(config.get("layer_types") or []) - {"full_attention", "sliding_attention"}
    if kinds:
        return f"it has layers of other kinds than attention: {', '.join(sorted(kinds))}"
    default = getattr(CONFIG_MAPPING[family], "sliding_window", None)
    window, slides = config.get("sliding_window", default), config.get("use_sliding_window", family == "mistral")
    slides = slides or "sliding_attention" in (config.get("layer_types") or [])
    if slides and window is not None and window < max_length:
        return f"its attention slides over {window} tokens, less than tokens.max_length={max_length}"
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = scaling.get("rope_type", scaling.get("type", "default"))
    if rope in ("dynamic", "longrope"):
        return f"its positions ({rope}) change with the longest sequence of a batch"
    return None


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    shared_prefix: SharedPrefix | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it: query [1, head, position, size], key and value [1, kv head, ...].

    On a GPU in half precision one call of flash attention for all of the row, once it has proven itself there
    (`varlen_proof`); else calls for each group.

    Args:
        shared_prefix: what the row holds; None for plain sequences.
        others: what transformers tells every attention function; handed on to its own.

    Returns:
        [1, position, head, size], and no attention weights.
    """
    if shared_prefix is None:
        if attention_mask is not None and attention_mask.numel() == 1:  # it says nothing: causal is all there is to say
            attention_mask = None
        return sdpa_attention_forward(  # pyright: ignore[reportReturnType]
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
    if dropout == 0.0:
        states = in_autocast(query, key, value)
        heads = Heads.of(*states[:2])
        if flash_may_take(heads) and is_proven(by_flash_attention, by_group, heads):
            return by_flash_attention(*states, shared_prefix, scaling), None
        if heads.device.type == "cuda" and not flash_may_take(heads):
            say_why_not(heads)
    return by_group(query, key, value, shared_prefix, scaling, dropout), None


def in_autocast(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """In the precision that autocast has torch's own attention compute in, where it is on; else as they are.

    Under it values come from a matrix product in half precision, queries and keys from rotations that are not.
    """
    device = query.device.type
    if not torch.is_autocast_enabled(device):
        return query, key, value
    dtype = torch.get_autocast_dtype(device)
    return query.to(dtype), key.to(dtype), value.to(dtype)


def flash_may_take(heads: Heads) -> bool:
    """Whether flash attention is written for such heads at all."""
    half = heads.dtype in (torch.bfloat16, torch.float16)
    return heads.device.type == "cuda" and half and heads.size % 8 == 0 and heads.size <= 256


@cache
def say_why_not(heads: Heads) -> None:
    """Says once that a GPU computes attention by many small calls, and what would have it do otherwise."""
    log.info(
        "attention: a call for each completion, for flash attention takes bfloat16 or float16 heads up to 256, not "
        f"{heads} (trainer.precision=bf16-mixed)"
    )


def by_flash_attention(query: Tensor, key: Tensor, value: Tensor, row: SharedPrefix, scaling: float | None) -> Tensor:
    """One call for all of the row. Shapes as `attend`'s."""
    return attend_at_once(query, key, value, row, scaling, flash_attention())


def by_group(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    row: SharedPrefix,
    scaling: float | None,
    dropout: float = 0.0,
) -> Tensor:
    """Two kinds of calls a group, on the CPU without a copy of the keys for each head that shares them.

    Causal over [prompt | first completion], and each further completion's queries over the keys of [prompt | itself].
    Shapes as `attend`'s.
    """
    lengths = [length for group in row.groups for length in lengths_of(group)]
    shared = query.shape[1] != key.shape[1]
    if shared and query.is_cuda:  # its kernels take no mask beside keys that heads share
        key, value = (each.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for each in (key, value))
        shared = False
    parts = zip(*(states.split(lengths, dim=2) for states in (query, key, value)), strict=True)
    found = []
    for group in row.groups:
        queries, keys, values = next(parts)
        found.append(
            scaled_dot_product_attention(
                queries, keys, values, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=shared
            )
        )
        of_prompt = (keys[:, :, : group.prompt], values[:, :, : group.prompt])
        for length in group.completions[1:]:
            queries, keys, values = next(parts)
            found.append(
                scaled_dot_product_attention(
                    queries,
                    torch.cat([of_prompt[0], keys], dim=2),
                    torch.cat([of_prompt[1], values], dim=2),
                    attn_mask=sees(row, group.prompt, length, query.device),
                    dropout_p=dropout,
                    scale=scaling,
                    enable_gqa=shared,
                )
            )
    return torch.cat(found, dim=2).transpose(1, 2)


def sees(row: SharedPrefix, prompt: int, length: int, device: torch.device) -> Tensor:
    """bool [length, prompt + length]: what each token of a completion sees of its prompt and of itself."""
    key = (prompt, length, device)
    if key not in row.masks:
        with torch.inference_mode(False):  # kept for layers that take gradients, whoever asks first
            row.masks[key] = torch.ones(length, prompt + length, dtype=torch.bool, device=device).tril(prompt)
    return row.masks[key]


def mask_of(
    q_length: int, kv_length: int, attention_mask: Tensor | None = None, local_size: int | None = None, **others: Any
) -> Tensor | None:
    """transformers' mask; none where nothing is padded, cached or out of a window: causal is all there is to say then.

    Args:
        local_size: tokens that attention slides over; None where it reaches them all.
    """
    if attention_mask is None and q_length == kv_length and (local_size is None or local_size >= kv_length):
        return None
    return sdpa_mask(
        q_length=q_length, kv_length=kv_length, attention_mask=attention_mask, local_size=local_size, **others
    )


AttentionInterface.register(SHARED_PREFIX, attend)
AttentionMaskInterface.register(SHARED_PREFIX, mask_of)
