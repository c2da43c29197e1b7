"""Pairs of a chosen and a rejected completion: the loss is the mean over pairs. Reward models learn from them too."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from summpo.datasets import PairDataset, Split
from summpo.objectives import PairwiseObjective, ScoreObjective, needs_collisions
from summpo.row_kinds import Measured, Moment
from summpo.text.rows import PairRow

if TYPE_CHECKING:
    from torch import Tensor, nn

    from summpo.models.forward.layouts import Layout
    from summpo.records import FrozenColumns, PairBatch, TokenRows


@dataclass(frozen=True)
class Pairs:
    """A document with a better and a worse summary; the unit of the loss is a pair."""

    objective: PairwiseObjective | ScoreObjective

    name: ClassVar[str] = "pairs"
    reader: ClassVar[type] = PairDataset
    otherwise: ClassVar[str] = ": make some with `summpo pairs` and read them with dataset=jsonl"
    weighs_margins: ClassVar[bool] = True

    def read(self, dataset: PairDataset, split: Split) -> list[PairRow]:
        return dataset.pairs(split)

    def settled(self, labels: np.ndarray) -> dict[str, Any]:
        return {}

    def token_rows(self, rows: TokenRows, max_length: int) -> TokenRows:
        return rows

    def batch(self, columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> PairBatch:
        return pair_batch(columns, rows, share, layout)

    def units(self, rows: TokenRows) -> np.ndarray:
        return np.ones(len(rows), np.int64)

    def measure(self, model: nn.Module, batch: PairBatch, weights: Tensor, moment: Moment) -> Measured:
        """From the model's own forward and the batch's frozen columns."""
        from summpo.models.forward.log_probs import completion_log_probs
        from summpo.models.forward.sequence_scores import sequence_scores
        from summpo.objectives.losses import weighted_margin
        from summpo.records import LogProbs, PairLogProbs
        from summpo.row_kinds import metrics

        objective, margin = self.objective, weighted_margin(batch.margins, weights)
        if isinstance(objective, ScoreObjective):
            made = objective.score_losses(sequence_scores(model, batch), margin)
            rewards, log_probs = {"reward": made.rewards}, {}
        else:
            policy = completion_log_probs(model, batch, collisions=needs_collisions(objective))
            reference = LogProbs(batch.reference, batch.lengths)
            seeds = row_seeds(batch.row_ids, *moment.draw)
            made = objective.losses(PairLogProbs(policy, reference, seeds, batch.counts), margin)
            rewards, log_probs = {"implicit_reward": made.rewards}, {"log_prob": policy.sums()}
        reward_chosen, reward_rejected = made.rewards.chunk(2)
        values = {
            "loss": made.loss,
            "reward_accuracy": metrics.accuracy(reward_chosen - reward_rejected),
            "reward_accuracy_with_margin": metrics.accuracy(made.logit),
            "reward_margin": reward_chosen - reward_rejected,
            "weighted_margin": margin,
            **by_side(rewards | log_probs),
        }
        return Measured(values, batch.share)


KIND = Pairs


def pair_batch(columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> PairBatch:
    """The batch of these rows' pairs, with their frozen columns."""
    import torch

    from summpo.records import PairBatch

    tokens = columns.rows
    sequences = [(tokens.prompts[row], side[row]) for side in tokens.completions for row in rows]
    batch = layout(sequences)
    if columns.reference is None:
        reference = torch.zeros(len(batch["token_at"]))
    else:
        flat = np.concatenate([side[row] for side in columns.reference for row in rows])
        reference = torch.from_numpy(flat.astype(np.float32))
    return PairBatch(
        row_ids=tuple(tokens.ids[row] for row in rows),
        share=torch.from_numpy(share.astype(np.float32)),
        reference=reference,
        margins=torch.from_numpy(columns.margins[rows].astype(np.float32)),
        **batch,
    )


def row_seeds(row_ids: Sequence[str], *draw: int) -> np.ndarray:
    """int64 [row]: a seed of each row and `draw` (the run's seed, the step); no neighbour and no process changes it."""
    salt = "/".join(map(str, draw))
    return np.array([zlib.crc32(f"{salt}/{row_id}".encode()) for row_id in row_ids], np.int64)


def by_side(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values of sequences, [sequence], as those of the chosen and of the rejected, [pair]."""
    return {
        f"{name}_{side}": part
        for name, value in values.items()
        for side, part in zip(("chosen", "rejected"), value.chunk(2), strict=True)
    }
