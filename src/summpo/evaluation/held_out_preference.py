"""How often a trained policy orders held-out pairs as the annotators did, with and without the margin."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from summpo.columns.base import load_base
from summpo.columns.reuse import Shared
from summpo.columns.stage import AUTOCAST, DataStage
from summpo.config.tree import plain
from summpo.margin_rewards.checks import check_columns
from summpo.margin_rewards.margins import SCALING
from summpo.models.weights.adapters import load_adapter
from summpo.runs.run_folder import RunFolder
from summpo.training.module import pair_values, row_seeds
from summpo.training.parts import trained_parts
from summpo.training.plan import pair_batch
from summpo.training.policy import load_plain, text_rows

LENGTH_BUCKETS = (-20, -5, 6, 21)
"""Where the buckets of chosen less rejected tokens begin: shorter by far, shorter, alike (-5 to 5), longer, by far."""


@torch.inference_mode()
def held_out_preference(folder: Path, config: DictConfig, split: str, accelerator: str) -> dict[str, Any]:
    """Shares (0 to 1, ties half) of the split's pairs that the run in `folder` orders as the data does.

    Args:
        config: what the run was trained with, but for the data set, margin rewards and w to judge by.

    Returns:
        `preference_accuracy` by the implicit reward alone, `preference_accuracy_with_margin` by the whole logit,
        `pairs`, and `preference_by_length`, as `by_length_difference` gives it; empty where the split has no pairs.
    """
    run, parts = RunFolder(folder), trained_parts(config)
    shared = Shared()
    rows = text_rows(parts, split)
    check_columns(parts.margins, rows)
    settings = parts.columns(config)
    base = load_base(settings, shared)
    stage = DataStage(settings, base, shared)
    text = stage.from_text(rows)
    if len(text.tokenized.rows) == 0:
        return {}
    spreads = text.spreads() | trained_spreads(run.read_summary() or {}, plain(config)["margin_reward"])
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    columns = stage.with_reference(text, spreads, None, device)
    if run.adapter.exists():
        policy = load_adapter(load_plain(parts, base), run.adapter, base.fingerprint, trainable=False)
    else:
        policy = load_plain(parts, replace(base, folder=run.model))
    policy = policy.to(device).eval()  # type: ignore[arg-type]
    weights = torch.tensor([margin.weight for margin in parts.margins.values()], device=device)
    right: list[np.ndarray] = []
    autocast = AUTOCAST[config.trainer.precision]
    for first in range(0, len(columns), config.eval_batch_size):
        chunk = np.arange(first, min(first + config.eval_batch_size, len(columns)))
        batch = pair_batch(columns, chunk, np.ones(len(chunk)), base.layout).to(device)
        with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
            seeds = row_seeds(batch.row_ids, config.seed)
            values = pair_values(policy, batch, parts.objective, weights, seeds)  # type: ignore[arg-type]
        right.append(torch.stack([values["reward_accuracy"], values["reward_accuracy_with_margin"]], 1).cpu().numpy())
    shares = np.concatenate(right)
    accuracy, with_margin = shares.mean(axis=0).tolist()
    chosen, rejected = columns.rows.completions
    return {
        "preference_accuracy": accuracy,
        "preference_accuracy_with_margin": with_margin,
        "pairs": len(columns),
        "preference_by_length": by_length_difference(chosen.lengths - rejected.lengths, shares),
    }


def trained_spreads(summary: Mapping[str, Any], margin_reward: Mapping[str, Any]) -> dict[str, float]:
    """The run's own spreads of the margin rewards that are set now as they were then, but for what they weigh.

    A reward that the run was not trained with is scaled by what it spreads over the rows at hand.
    """

    def settings(reward: Mapping[str, Any] | None) -> dict[str, Any]:
        return {name: value for name, value in (reward or {}).items() if name not in SCALING}

    before = summary.get("config", {}).get("margin_reward", {})
    known = summary.get("margin_spreads", {})
    same = [
        name for name in known if name in margin_reward and settings(before.get(name)) == settings(margin_reward[name])
    ]
    return {name: known[name] for name in same}


def by_length_difference(differences: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """The accuracies of the pairs whose chosen completion is so much longer than the rejected: who prefers the long is
    right at one end and wrong at the other.

    Args:
        differences: int [pair], tokens of the chosen less those of the rejected completion.
        right: float [pair, 2], what each pair adds to either accuracy, by the reward alone and by the whole logit.

    Returns:
        A bucket each: from `low` to below `high` tokens (None: no bound), `pairs`, and both accuracies (None for none).
    """
    bounds = [None, *LENGTH_BUCKETS, None]
    found = []
    for low, high in itertools.pairwise(bounds):
        inside = (differences >= (-np.inf if low is None else low)) & (differences < (np.inf if high is None else high))
        means = right[inside].mean(axis=0).tolist() if inside.any() else [None, None]
        names = ("accuracy", "accuracy_with_margin")
        found.append({"low": low, "high": high, "pairs": int(inside.sum()), **dict(zip(names, means, strict=True))})
    return found
