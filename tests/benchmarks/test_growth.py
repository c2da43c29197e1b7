"""The data side's growth: columns that are mapped, a process of its own, and bytes a pair."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import growth
from fresh_process import last_line_of
from growth import BATCH_TOKENS, ORDERS, Figures, data_side, memory_row, stored
from summpo.columns.store import ColumnStore


def test_bytes_a_pair_are_told_between_two_sizes() -> None:
    """(7,340,032 - 610,000) / 99,000 = 67.98 bytes, and 7 MiB; (9,437,184 - 625,184) / 99,000 = 89.01, and 9 MiB."""
    few, many = Figures(40.0, 610_000, 625_184), Figures(41.0, 7 * 2**20, 9 * 2**20)
    row = memory_row("by_length", 1_000, 100_000, few, many)
    assert row.what == f"data side, own memory, 1,000 to 100,000 pairs, by_length, batch_tokens={BATCH_TOKENS}"
    assert row.ours == "68 bytes a pair, +7.0 MiB at 100,000; at the end of 4 epochs 89, +9.0 MiB"


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_takes_each_pair_once_from_mapped_columns(order: str, tmp_path: Path) -> None:
    """20 pairs of twice 350 + 35 tokens, in three batches of at most 8."""
    columns = stored(ColumnStore(tmp_path), 20)
    assert isinstance(columns.rows.prompts.values, np.memmap)
    data = data_side(columns, 8, order, total_batches=3)
    rows = np.concatenate([data.plan.global_batch(index) for index in range(3)])
    assert sorted(rows) == list(range(20))
    assert data.seen() == {"rows_seen": 20, "tokens_seen": 20 * 2 * 385}


def test_a_process_says_its_figures_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["growth.py", str(tmp_path), "20", "8", "shuffled"])
    growth.main()
    figures = Figures(**json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert figures.micros > 0 and figures.seen >= figures.batches - 2**20, "what is held at the end holds the batches"


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"absent\.py ended with 2: (?s:.)*can't open file"):
        last_line_of("absent.py", [])
