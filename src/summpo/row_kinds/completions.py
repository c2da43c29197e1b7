"""Single completions to imitate: the loss is the mean over their tokens (SFT)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from summpo.datasets import Split, SummaryDataset
from summpo.objectives import CompletionObjective
from summpo.row_kinds import Measured, Moment
from summpo.text.rows import SummaryRow

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from summpo.models.forward.layouts import Layout
    from summpo.records import Batch, FrozenColumns, TokenRows


@dataclass(frozen=True)
class Completions:
    """A document with one summary; the unit of the loss is a completion token."""

    objective: CompletionObjective

    name: ClassVar[str] = "summaries"
    reader: ClassVar[type] = SummaryDataset
    otherwise: ClassVar[str] = ""
    weighs_margins: ClassVar[bool] = False

    def read(self, dataset: SummaryDataset, split: Split) -> list[SummaryRow]:
        return dataset.summaries(split)

    def settled(self, labels: np.ndarray) -> dict[str, Any]:
        return {}

    def token_rows(self, rows: TokenRows, max_length: int) -> TokenRows:
        return rows

    def batch(self, columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> Batch:
        return completion_batch(columns, rows, share, layout)

    def units(self, rows: TokenRows) -> np.ndarray:
        return rows.completions[0].lengths

    def measure(self, model: nn.Module, batch: Batch, weights: Tensor, moment: Moment) -> Measured:
        from summpo.models.forward.log_probs import completion_log_probs

        losses = self.objective.token_loss(completion_log_probs(model, batch))
        return Measured({"loss": losses}, batch.share.repeat_interleave(batch.lengths, output_size=len(losses)))


KIND = Completions


def completion_batch(columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> Batch:
    """The batch of these rows' only completions."""
    import numpy as np
    import torch

    from summpo.records import Batch

    tokens = columns.rows
    sequences = [(tokens.prompts[row], tokens.completions[0][row]) for row in rows]
    ids = tuple(tokens.ids[row] for row in rows)
    return Batch(row_ids=ids, share=torch.from_numpy(share.astype(np.float32)), **layout(sequences))
