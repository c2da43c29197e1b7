"""Kinds of rows that an objective may learn from, one a file: what is read, its batch, its measure.

An objective names its kind (`learns_from`); a kind holds its objective. The data stage, the Lightning module and the
held-out loop take whatever is of this protocol; what asks for one kind by name are checks and reports about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Moment:
    """When a batch is measured: what its numbers may hang on beside the model and the batch."""

    draw: tuple[int, ...]
    """What a random draw hangs on beside the row: the run's seed, the step."""
    carried: Tensor
    """Float [2]: a mean over the rows that a run has trained on, and how many they are; zeros before the first."""
    total: Callable[[Tensor], Tensor] | None = None
    """Sums over all processes, for numbers of a step; None where a batch is measured and not trained on."""


@dataclass(frozen=True)
class Measured:
    """What a batch comes to."""

    values: Mapping[str, Tensor]
    """The loss and the metrics of each unit, [unit]."""
    share: Tensor
    """Float [unit]: what each unit counts."""
    among: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Metrics that are means over some of the units, for validation: values [unit], and of which, bool [unit]."""
    carried: Tensor | None = None
    """`Moment.carried` for the next batch; None for as it was."""


class RowKind(Protocol):
    """A frozen dataclass with an objective. Light: no torch until a batch is made."""

    name: ClassVar[str]
    """What the rows are called."""
    reader: ClassVar[type | tuple[type, ...]]
    """The protocol of the data sets that give them; several where they can be made of other rows."""
    otherwise: ClassVar[str]
    """What to do where a data set gives none, behind the sentence that says so."""
    weighs_margins: ClassVar[bool]
    """Whether margin rewards have a part in its loss: as the difference of a row's two completions, or, of a single
    one, less the mean over the training rows."""

    @property
    def objective(self) -> Objective: ...

    def read(self, dataset: Any, split: Split) -> Sequence[TextRow]:
        """A data set's rows of one split."""
        ...

    def settled(self, labels: np.ndarray) -> dict[str, Any]:
        """Fields of the objective that are left to the training rows.

        Args:
            labels: bool [row], those of the training rows; none where rows have no label.
        """
        ...

    def token_rows(self, rows: TokenRows, max_length: int) -> TokenRows:
        """The token rows as they are trained on, with what other rows lend them."""
        ...

    def batch(self, columns: FrozenColumns, rows: np.ndarray, share: np.ndarray, layout: Layout) -> Batch:
        """The batch of these rows; `share` is what a unit of each row's loss counts."""
        ...

    def units(self, rows: TokenRows) -> np.ndarray:
        """int64 [row]: how many units a row has. A loss is the mean over units: rows, or completion tokens."""
        ...

    def measure(self, model: nn.Module, batch: Any, weights: Tensor, moment: Moment) -> Measured:
        """The loss and the metrics of a batch.

        Args:
            weights: float [reward], what a unit of each margin reward is worth.
        """
        ...


def kind_of(objective: Objective) -> RowKind:
    """The kind of rows that an objective learns from, with the objective in it.

    `learns_from` names a file of this folder ("pairs"), or with a dot a module elsewhere; the kind is its `KIND`.
    """
    name = objective.learns_from
    return import_module(name if "." in name else f"{__name__}.{name}").KIND(objective)
