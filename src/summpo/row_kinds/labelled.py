"""Summaries labelled good or bad, each by itself: the loss is the mean over rows, weighed by their labels.

Rows of a pair are read too, the chosen one as good and the rejected one as bad. Every row may have a second completion
beside its own: that of another row, mismatched with its prompt, by which an objective learns how far the policy has
moved from the reference at large (KTO). Which row lends it is decided once for the split, so that the reference's
log-probs of it are a column like any other, and in a batch it shares its prompt with the row's own.

TRL's KTOTrainer rotates completions by one within stretches of as many rows as a batch has, before it shuffles the
rows; here they are rotated through the whole split, as far as it takes for none to meet its own prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from summpo.datasets import LabelledDataset, PairDataset, Split, labelled_rows
from summpo.objectives import LabelledObjective
from summpo.row_kinds import Measured, Moment
from summpo.text.rows import LabelledRow

if TYPE_CHECKING:
    from torch import Tensor, nn

    from summpo.models.forward.layouts import Layout
    from summpo.records import FrozenColumns, LabelledBatch, Ragged, TokenRows


@dataclass(frozen=True)
class Labelled:
    """A document with one summary and a label; the unit of the loss is a row."""

    objective: LabelledObjective

    name: ClassVar[str] = "labelled rows"
    reader: ClassVar[tuple[type, ...]] = (LabelledDataset, PairDataset)
    otherwise: ClassVar[str] = ": give summaries a column label and read them with dataset=jsonl"
    weighs_margins: ClassVar[bool] = True

    def read(self, dataset: LabelledDataset | PairDataset, split: Split) -> list[LabelledRow]:
        return dataset.labelled(split) if isinstance(dataset, LabelledDataset) else labelled_rows(dataset.pairs(split))

    def settled(self, labels: np.ndarray) -> dict[str, Any]:
        """The weights of both labels; where neither is set, their mean over the training rows is 1."""
        good = int(labels.sum())
        set_to = (self.objective.desirable_weight, self.objective.undesirable_weight)
        desirable, undesirable = label_weights(good, len(labels) - good, *set_to)
        return {"desirable_weight": desirable, "undesirable_weight": undesirable}

    def token_rows(self, rows: TokenRows, max_length: int) -> TokenRows:
        """With mismatched completions where the objective looks at any; these are cut where they do not fit."""
        if not self.objective.needs_mismatched or not len(rows):
            return rows
        own = rows.completions[0]
        room = max_length - rows.prompts.lengths
        lent = [own[row][: room[i]] for i, row in enumerate(lenders(rows.prompts))]
        return replace(rows, completions=(own, type(own).from_rows(lent, np.int32)))

    def batch(self, columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> LabelledBatch:
        """`sequence` is the rows' own completions, then the mismatched ones where there are any."""
        import torch

        from summpo.records import LabelledBatch

        tokens = columns.rows
        assert columns.reference is not None
        flat = np.concatenate([side[row] for side in columns.reference for row in rows])
        return LabelledBatch(
            row_ids=tuple(tokens.ids[row] for row in rows),
            share=torch.from_numpy(share.astype(np.float32)),
            reference=torch.from_numpy(flat.astype(np.float32)),
            margins=torch.from_numpy(columns.margins[rows].astype(np.float32)),
            labels=torch.from_numpy(columns.labels[rows]),
            **layout([(tokens.prompts[row], side[row]) for side in tokens.completions for row in rows]),
        )

    def units(self, rows: TokenRows) -> np.ndarray:
        return np.ones(len(rows), np.int64)

    def measure(self, model: nn.Module, batch: LabelledBatch, weights: Tensor, moment: Moment) -> Measured:
        """From the model's own forward and the batch's frozen columns."""
        import torch

        from summpo.models.forward.log_probs import completion_log_probs
        from summpo.objectives.losses import weighted_margin
        from summpo.records import LogProbs
        from summpo.row_kinds import metrics

        objective, labels = self.objective, batch.labels
        policy = completion_log_probs(model, batch)
        log_ratios = policy.sums() - LogProbs(batch.reference, batch.lengths).sums()
        own, mismatched = log_ratios[: len(labels)], log_ratios[-len(labels) :].detach()
        margin = weighted_margin(batch.margins, weights)
        rewards = objective.rewards(own, margin)
        points = objective.points(rewards.detach(), mismatched)
        mean, carried = mean_point(objective.reference_point, points, batch.share > 0, moment)
        point = objective.point_of(mean)
        desirable, undesirable = objective.desirable_weight, objective.undesirable_weight
        assert desirable is not None and undesirable is not None, "set, or settled by the training rows"
        losses = torch.where(labels, desirable, undesirable) * objective.link(rewards, point, labels)
        implicit = objective.rewards(own, torch.zeros_like(margin))
        sign = torch.where(labels, 1.0, -1.0)
        by_label = {"implicit_reward": implicit, "log_prob": policy.sums()[: len(labels)]}
        values = {
            "loss": losses,
            "reward_accuracy": metrics.accuracy(sign * (implicit - point)),
            "reward_accuracy_with_margin": metrics.accuracy(sign * (rewards - point)),
            "reference_point": point.expand(len(labels)),
            "weighted_margin": margin,
        }
        sides = {"desirable": labels, "undesirable": ~labels}
        among = {f"{name}_{side}": (value, of) for name, value in by_label.items() for side, of in sides.items()}
        return Measured(values, batch.share, among, carried)


KIND = Labelled


def label_weights(
    desirable: int, undesirable: int, desirable_weight: float | None, undesirable_weight: float | None
) -> tuple[float, float]:
    """The weights of both labels, so that weight times count agrees wherever it is left to.

    Args:
        desirable: how many rows are; so `undesirable`.
        desirable_weight: as set; None for left to the counts. So `undesirable_weight`.
    """
    if desirable_weight is not None and undesirable_weight is not None:
        return desirable_weight, undesirable_weight
    if not desirable or not undesirable:  # nothing to balance
        return desirable_weight or 1.0, undesirable_weight or 1.0
    if desirable_weight is not None:
        return desirable_weight, desirable_weight * desirable / undesirable
    if undesirable_weight is not None:
        return undesirable_weight * undesirable / desirable, undesirable_weight
    rows = desirable + undesirable
    return rows / (2 * desirable), rows / (2 * undesirable)


def lenders(prompts: Ragged) -> np.ndarray:
    """int64 [row]: whose completion each row is mismatched with; each row lends its own once.

    Rows are taken by prompt, in the order in which prompts first come, and lend their completions to those that come so
    many places later as the commonest prompt has rows. So no row meets a completion of its own prompt, unless more than
    half of them have one prompt; where all prompts differ it is the row before.
    """
    known: dict[bytes, int] = {}
    numbers = np.array([known.setdefault(prompts[i].tobytes(), len(known)) for i in range(len(prompts))], np.int64)
    order = np.argsort(numbers, kind="stable")
    found = np.empty(len(prompts), np.int64)
    found[order] = np.roll(order, int(np.bincount(numbers).max()))
    return found


def mean_point(how: str, points: Tensor, real: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
    """The mean that the reference point hangs on, and what is carried on to the next batch.

    Args:
        how: batch, the mean over the batch in all processes; running, over all rows trained on so far; or none, 0.
            Rows that are measured and not trained on are held against the point of the last step, so that a validation
            does not hang on how many rows are side by side.
        points: [row], what it is the mean of, without a gradient.
        real: bool [row], False for a row that only fills up a process's batch.

    Returns:
        A scalar without a gradient; and [mean, rows] so far.
    """
    import torch

    if how == "none":
        return points.new_zeros(()), moment.carried
    if moment.total is None and (how == "running" or moment.carried[1] > 0):
        return moment.carried[0], moment.carried
    found = points.new_zeros(2)
    found[0], found[1] = (points * real).sum(), real.sum()
    total, rows = found if moment.total is None else moment.total(found)
    if how == "batch":
        mean = total / rows.clamp(min=1)
        return mean, torch.stack([mean, rows])
    mean, before = moment.carried
    count = before + rows
    mean = mean + (total - rows * mean) / count
    return mean, torch.stack([mean, count])
