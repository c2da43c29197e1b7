"""What is checked and said of a run's rows, weights and models before it trains."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from summpo.columns.base import Base
from summpo.columns.stage import TextColumns
from summpo.errors import require
from summpo.margin_rewards.break_even import where_they_lie
from summpo.margin_rewards.checks import check_adapters
from summpo.margin_rewards.margins import reward_differences
from summpo.models.weights.adapters import require_base
from summpo.models.weights.fingerprints import fingerprint_tokenizer, fingerprint_weights
from summpo.models.weights.folders import check_context
from summpo.models.weights.loading import load_tokenizer
from summpo.models.weights.sources import resolve
from summpo.objectives import LabelledObjective, Objective
from summpo.training.settings import TrainSettings

log = logging.getLogger(__name__)


def say_of_rows(text: Mapping[str, TextColumns], max_length: int) -> None:
    """A line a split: how many of its rows are used, how many of them in part, and where the others went."""
    for split, columns in text.items():
        counts = columns.tokenized.counts
        dropped = {name.removeprefix("dropped_"): n for name, n in counts.items() if name.startswith("dropped_")}
        kept, cut, lost = counts.get("kept", 0), counts.get("truncated_document", 0), sum(dropped.values())
        if kept + lost:
            of_cut = f", {cut:,} of them with their document cut to fit tokens.max_length={max_length}" if cut else ""
            reasons = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in dropped.items() if n)
            of_lost = f"; {lost:,} dropped ({reasons})" if lost else ""
            log.info(f"rows: {split}: {kept:,} of {kept + lost:,} kept{of_cut}{of_lost}")


def say_of_weights(settings: TrainSettings, train: TextColumns, spreads: Mapping[str, float]) -> None:
    """Where w, or the weights that do not follow it, lie against the break-even weights of the training pairs."""
    if train.rewards:
        margins, objective = settings.margins, settings.minimised
        table, counts = signed(objective, reward_differences(train.rewards, margins, spreads), train.labels)
        for sentence in where_they_lie(margins, table, set(settings.follow_w), settings.w, objective, counts):
            log.info(f"weight: {sentence}")


def signed(objective: Objective, table: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Margins, [row, reward], as if of pairs, with what each row counts: a bad row speaks against what it has more of.

    Those of pairs are left as they are, and count 1 (None).
    """
    if not isinstance(objective, LabelledObjective):
        return table, None
    desirable, undesirable = objective.desirable_weight or 1.0, objective.undesirable_weight or 1.0
    return table * np.where(labels, 1, -1)[:, None], np.where(labels, desirable, undesirable)


def say_of_labels(settings: TrainSettings, labels: np.ndarray) -> None:
    """How many training rows have which label, and what each weighs; a word where all have the same."""
    if isinstance(settings.objective, LabelledObjective):
        counts = {"desirable": int(labels.sum()), "undesirable": int((~labels).sum())}
        weights = {name: float(getattr(settings.objective, f"{name}_weight")) for name in counts}
        told = ", ".join(f"{counts[name]:,} {name} of weight {weights[name]:.3g}" for name in counts)
        sums = ", ".join(f"{counts[name] * weights[name]:,.4g}" for name in counts)
        log.info(f"labels: {told}: in all {sums}")
        for name, way in (("desirable", "to"), ("undesirable", "from")):
            if not counts[name]:
                log.info(f"labels: no training row is {name}: nothing tells the policy what to turn {way}")


def require_rows(train: TextColumns, max_length: int) -> None:
    """Stops a run that has nothing to train on, and says where the rows went."""
    reasons = ", ".join(f"{name} {n}" for name, n in train.tokenized.counts.items()) or "the split is empty"
    require(len(train.tokenized.rows) > 0, f"no row is left ({reasons}); tokens.max_length is {max_length}")


def check_models(settings: TrainSettings, base: Base) -> None:
    """Checks what the run's models have to do with one another, before any of their weights is loaded.

    Raises:
        UserError: an adapter was trained on another base; or the reference reads other tokens than the policy (numbers
            without meaning) or has too short a context.
    """
    check_adapters(settings.margins, base.fingerprint, settings.model.path)
    if settings.model.adapter is not None:
        require_base(Path(settings.model.adapter).expanduser(), base.fingerprint, settings.model.path, "model.adapter")
    if not settings.needs_reference:
        return
    folder, reference = base.folder, settings.frozen
    if reference.path != settings.model.path:
        folder = resolve(reference, base.cache)
        check_context(folder, settings.tokens.max_length, reference.rope_scaling)
        tokenizer = load_tokenizer(folder, reference.trust_remote_code)
        require(
            fingerprint_tokenizer(tokenizer) == base.tokenizer_fingerprint,
            f"the reference {reference.path} has another tokenizer than the model {settings.model.path} "
            "(config key reference.path)",
        )
    if reference.adapter is not None:
        weights = fingerprint_weights(folder, base.cache)
        require_base(Path(reference.adapter).expanduser(), weights, reference.path, "reference.adapter")
