"""The data side at 100 to 100,000 pairs: time of a pair, and memory that is not the columns' own files.

Columns lie in the store and are memory-mapped; batches are made as a run makes them. In the model's place stands a stub
that reads each batch's tokens and gives nothing, so that what is measured is the pipeline.
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import numpy as np

from pairs import Shape, random_pairs
from summpo.batches import Plan, pair_batch
from summpo.columns import ColumnStore
from summpo.data import TrainStream
from summpo.layouts import share_prefixes
from summpo.records import Batch, FrozenColumns, Ragged, Texts, TokenRows
from table import Row

SIZES = (100, 1_000, 10_000, 100_000)
MEASURED = 4_000
"""Pairs that are taken at each size, after as many that are not counted."""


def rows(batch_size: int) -> list[Row]:
    """A row a size."""
    with tempfile.TemporaryDirectory() as folder:
        return [measure(size, batch_size, ColumnStore(Path(folder))) for size in SIZES]


def measure(size: int, batch_size: int, store: ColumnStore) -> Row:
    """CPU microseconds a pair, and how much resident memory of the process's own has grown when it has them all."""
    stored(store, size)  # written
    before = own_memory()
    columns = stored(store, size)  # read
    plan = Plan(rows=size, batch_size=batch_size, world_size=1, accumulate=1, seed=0)
    batches = -(-MEASURED // batch_size)
    stream = iter(TrainStream(columns, plan, 0, 2 * batches, 0, pair_batch, share_prefixes, counts_tokens=False))
    for _ in range(batches):
        stub_model(next(stream))
    start = time.process_time()
    for _ in range(batches):
        stub_model(next(stream))
    micros = (time.process_time() - start) / (batches * batch_size) * 1e6
    grown = (own_memory() - before) / 2**20
    ours = f"{micros:.0f} CPU microseconds a pair, {grown:+.1f} MiB of memory"
    return Row(f"data side, {size:,} pairs of 350/35 tokens", "", "", ours, "", "flat")


def stub_model(batch: Batch) -> None:
    """Reads every token."""
    batch.input_ids.sum().item()


def stored(store: ColumnStore, size: int) -> FrozenColumns:
    """Random pairs and reference log-probs, written to the store and mapped from there."""
    arrays, _ = store.get("growth", size, lambda: make_arrays(size))
    prompts = Ragged(arrays["prompts"], arrays["prompt_offsets"])
    sides = tuple(Ragged(arrays[f"side{i}"], arrays["side_offsets"]) for i in range(2))
    reference = tuple(Ragged(arrays[f"reference{i}"], arrays["side_offsets"]) for i in range(2))
    ids = Texts(Ragged(arrays["ids"], arrays["id_offsets"]))
    return FrozenColumns(TokenRows(ids, prompts, sides), reference, arrays["margins"])


def make_arrays(size: int) -> dict[str, np.ndarray]:
    """What the store holds of the pairs."""
    rows = random_pairs(Shape(350, 35, size), vocabulary=49_000)
    side = rows.completions[0]
    return {
        "ids": rows.ids.utf8.values,
        "id_offsets": rows.ids.utf8.offsets,
        "prompts": rows.prompts.values,
        "prompt_offsets": rows.prompts.offsets,
        "side_offsets": side.offsets,
        **{f"side{i}": each.values for i, each in enumerate(rows.completions)},
        **{f"reference{i}": np.zeros(len(side.values), np.float32) for i in range(2)},
        "margins": np.zeros((size, 0), np.float32),
    }


def own_memory() -> int:
    """Resident bytes that are no file's: a mapped column's pages are the system's to take back."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None, "needs Linux"
    return int(found[1]) * 1024
