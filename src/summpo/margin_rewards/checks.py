"""What is checked of margin rewards before anything is loaded: their files, and the columns that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from summpo.datasets import PairDataset
from summpo.errors import require
from summpo.margin_rewards import AdapterReward, ColumnReward, ModelReward, columns_of
from summpo.margin_rewards.margins import WeightedMargin


def check_margins(margins: Mapping[str, WeightedMargin]) -> None:
    """Checks the files of the margin rewards that compute with models of their own, before anything is loaded.

    Raises:
        UserError: naming the path and the key.
    """
    for name, margin in margins.items():
        if isinstance(margin.reward, ModelReward):
            margin.reward.check(f"margin_reward.{name}")


def check_kind(margins: Mapping[str, WeightedMargin], dataset: PairDataset) -> None:
    """Checks that the data set's kind has the columns that margin rewards read, as far as it says what it has.

    Raises:
        UserError: naming the reward, the columns and the data set.
    """
    for name, margin in margins.items():
        needs = margin.reward.needs if isinstance(margin.reward, ColumnReward) else ()
        lacks = [column for column in needs if column not in getattr(dataset, "gives", needs)]
        require(
            not lacks,
            f"margin_reward.{name} reads {' and '.join(lacks)}, which dataset={type(dataset).__name__} does not have",
        )


def check_columns(margins: Mapping[str, WeightedMargin], rows: Sequence[Any]) -> None:
    """Checks that pairs have what margin rewards read of them, before a model is looked for.

    Raises:
        UserError: naming the row, the reward and what the row lacks.
    """
    readers = column_rewards(margins)
    completions = columns_of(rows if readers else ())
    for reader in readers:
        reader.check_columns(completions)


def column_rewards(margins: Mapping[str, WeightedMargin]) -> list[ColumnReward]:
    """The margin rewards that read columns of the data beside its texts."""
    return [margin.reward for margin in margins.values() if isinstance(margin.reward, ColumnReward)]


def check_adapters(margins: Mapping[str, WeightedMargin], base_fingerprint: str, base: str) -> None:
    """Checks that the adapters of margin rewards stand on the base, by their files' headers: no weight is loaded.

    Raises:
        UserError: one was trained on another base.
    """
    from summpo.models.weights.adapters import require_base

    for name, margin in margins.items():
        if isinstance(margin.reward, AdapterReward):
            adapter = Path(margin.reward.adapter).expanduser()
            require_base(adapter, base_fingerprint, base, f"margin_reward.{name}.adapter")
