"""What a run's frozen columns are made from, and how they are computed. Light: nothing is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from summpo.margin_rewards.margins import WeightedMargin
from summpo.models import Model
from summpo.row_kinds import RowKind
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits


@dataclass(frozen=True)
class ColumnSettings:
    """What a run's frozen columns are made from, and how they are computed."""

    model: Model
    reference: Model | None
    """The frozen model that the loss compares with; None for a loss that has none."""
    margins: Mapping[str, WeightedMargin]
    prompt: Prompt
    limits: Limits
    kind: RowKind
    """The kind of its rows."""
    batching: str
    """shared_prefix, or padded."""
    compiles: bool
    """Whether the policy's layers are compiled."""
    matmul_precision: str | None
    """How float32 matrix products are computed; None for as torch does by itself."""
    precision: str
    """Precision as Lightning names it: 32-true, bf16-mixed or 16-mixed."""
    batch_size: int
    """Rows that a frozen model scores at a time."""
    cache: Path
    shows_progress: bool = True
    policy_module: str = ""
    """The module that makes the policy, whose code has a part in the columns of a reference that is its first step."""
