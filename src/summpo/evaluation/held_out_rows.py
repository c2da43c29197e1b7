"""Held-out rows of a run under any model that reads its tokens, as its validation measures them: what its loss is, and
how often it orders pairs as the annotators did, with and without the margin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from summpo.columns.base import Base, find_base
from summpo.columns.stage import AUTOCAST, DataStage
from summpo.datasets import Split
from summpo.margin_rewards.checks import check_columns
from summpo.margin_rewards.margins import SCALING
from summpo.models.weights.adapters import load_adapter
from summpo.records import FrozenColumns
from summpo.row_kinds import Moment
from summpo.runs.run_folder import RunFolder
from summpo.text.rows import Rows
from summpo.training.policy import held_out_rows, load_plain, text_rows
from summpo.training.settings import TrainSettings

LENGTH_BUCKETS = (-20, -5, 6, 21)
"""Where the buckets of chosen less rejected tokens begin: shorter by far, shorter, alike (-5 to 5), longer, by far."""


@dataclass(frozen=True)
class HeldOutRows:
    """The columns of held-out rows, the reference's among them, and how the run computes with them."""

    settings: TrainSettings
    columns: FrozenColumns
    base: Base
    device: torch.device
    carried: tuple[float, ...]
    """What the run's last step handed on (`Moment.carried`)."""

    def __len__(self) -> int:
        return len(self.columns)

    def values(self, model: nn.Module) -> Iterator[Mapping[str, Tensor]]:
        """The loss and the metrics of each unit (pair, completion token), a batch at a time; the model is moved."""
        model, kind = model.to(self.device).eval(), self.settings.kind
        weights = torch.tensor(list(self.settings.weights.values()), device=self.device)
        moment = Moment((self.settings.seed,), torch.tensor(self.carried, device=self.device))
        size, autocast = self.settings.eval_batch_size, AUTOCAST[self.settings.trainer.precision]
        for first in range(0, len(self.columns), size):
            chunk = np.arange(first, min(first + size, len(self.columns)))
            batch = kind.batch(self.columns, chunk, np.ones(len(chunk)), self.base.layout).to(self.device)
            is_low = autocast is not None
            with torch.inference_mode(), torch.autocast(self.device.type, dtype=autocast, enabled=is_low):
                measured = kind.measure(model, batch, weights, moment)
            yield measured.values

    def __call__(self, model: nn.Module) -> float:
        """The mean loss over the rows' units."""
        total, units = 0.0, 0
        for values in self.values(model):
            total += values["loss"].sum().double().item()
            units += len(values["loss"])
        return total / units


def frozen_rows(
    settings: TrainSettings, rows: Rows, summary: Mapping[str, Any], spreads: Mapping[str, float], device: str
) -> HeldOutRows:
    """The columns of these rows; spreads of margin rewards that are not given are those over the rows themselves.

    Args:
        settings: what the run was trained with.
        summary: what the run left in summary.json.
        device: where the models compute, as torch calls it.
    """
    base = find_base(settings.columns)
    stage = DataStage(settings.columns, base, torch.device(device))
    settled = summary.get("settled", {})  # runs from before there were labels had nothing to settle
    text = stage.from_text(rows)
    text = text.against({**text.means(), **settled.get("margin_means", {})})
    columns = stage.with_reference(text, {**text.spreads(), **spreads}, None)
    stage.release()
    return HeldOutRows(
        settings=settings.settled_with(settled.get("objective", {})),
        columns=columns,
        base=base,
        device=stage.device,
        carried=tuple(summary.get("reference_point", (0.0, 0.0))),
    )


def held_out_loss(folder: Path, settings: TrainSettings, device: str) -> HeldOutRows | None:
    """What tells the loss of the validation rows of the run in `folder`; None where it has none.

    Args:
        settings: what the run was trained with; its validation rows may be fewer by now.

    Raises:
        UserError: the rows or the reference's model are not there any more.
    """
    rows = held_out_rows(settings)
    if not rows:
        return None
    summary = summary_of(folder)
    found = frozen_rows(settings, rows, summary, summary.get("margin_spreads", {}), device)
    return found if len(found) else None


def held_out_preference(folder: Path, settings: TrainSettings, split: Split, device: str) -> dict[str, Any]:
    """Shares (0 to 1, ties half) of the split's pairs that the run in `folder` orders as the data does.

    Args:
        settings: what the run was trained with, but for the data set, margin rewards and w to judge by.

    Returns:
        `preference_accuracy` by the implicit reward alone, `preference_accuracy_with_margin` by the whole logit,
        `pairs`, and `preference_by_length`, as `by_length_difference` gives it; empty where the split has no pairs.
    """
    rows = text_rows(settings, split)
    check_columns(settings.margins, rows)
    summary = summary_of(folder)
    spreads = trained_spreads(summary, settings.record["margin_reward"])
    found = frozen_rows(settings, rows, summary, spreads, device)
    if not len(found):
        return {}
    names = ("reward_accuracy", "reward_accuracy_with_margin")
    policy = trained_policy(RunFolder(folder), settings, found.base)
    shares = np.concatenate(
        [torch.stack([values[name] for name in names], 1).cpu().numpy() for values in found.values(policy)]
    )
    accuracy, with_margin = shares.mean(axis=0).tolist()
    chosen, rejected = found.columns.rows.completions
    return {
        "preference_accuracy": accuracy,
        "preference_accuracy_with_margin": with_margin,
        "pairs": len(found),
        "preference_by_length": by_length_difference(chosen.lengths - rejected.lengths, shares),
    }


def summary_of(folder: Path) -> dict[str, Any]:
    """What the run left in summary.json; nothing where it left none."""
    return RunFolder(folder).read_summary() or {}


def trained_policy(run: RunFolder, settings: TrainSettings, base: Base) -> nn.Module:
    """The model that a run has trained."""
    if run.adapter.exists():
        return load_adapter(load_plain(settings, base), run.adapter, base.fingerprint, trainable=False)  # type: ignore[return-value]
    return load_plain(settings, replace(base, folder=run.model))


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
