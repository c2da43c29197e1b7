"""Kinds of rows that an objective may learn from, one a file: what is read, its batch, its measure.

An objective names its kind (`learns_from`); a kind holds its objective. Nothing else asks which kind a run has: the
data stage, the Lightning module and the held-out loop take whatever is of this protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from summpo.datasets import Split
    from summpo.models.forward.layouts import Layout
    from summpo.objectives import Objective
    from summpo.records import Batch, FrozenColumns, TokenRows
    from summpo.text.rows import TextRow


class RowKind(Protocol):
    """A frozen dataclass with an objective. Light: no torch until a batch is made."""

    name: ClassVar[str]
    """What the rows are called, and the method by which a data set gives them."""
    reader: ClassVar[type]
    """The protocol of the data sets that give them."""
    otherwise: ClassVar[str]
    """What to do where a data set gives none, behind the sentence that says so."""
    weighs_margins: ClassVar[bool]
    """Whether margin rewards have a part in its loss."""

    @property
    def objective(self) -> Objective: ...

    def read(self, dataset: Any, split: Split) -> Sequence[TextRow]:
        """A data set's rows of one split."""
        ...

    def batch(self, columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> Batch:
        """The batch of these rows; `share` is what a unit of each row's loss counts."""
        ...

    def units(self, rows: TokenRows) -> np.ndarray:
        """int64 [row]: how many units a row has. A loss is the mean over units: rows, or completion tokens."""
        ...

    def share(self, batch: Batch) -> Tensor:
        """Float [unit]: what each unit of a batch counts."""
        ...

    def values(self, model: nn.Module, batch: Any, weights: Tensor, draw: Sequence[int]) -> dict[str, Tensor]:
        """The loss and the metrics of each unit, [unit].

        Args:
            weights: float [reward], what a unit of each margin reward is worth.
            draw: what a random draw hangs on beside the row: the run's seed, the step.
        """
        ...


def kind_of(objective: Objective) -> RowKind:
    """The kind of rows that an objective learns from, with the objective in it.

    `learns_from` names a file of this folder ("pairs"), or with a dot a module elsewhere; the kind is its `KIND`.
    """
    name = objective.learns_from
    return import_module(name if "." in name else f"{__name__}.{name}").KIND(objective)
