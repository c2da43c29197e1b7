"""The data side at 100 to 100,000 pairs: time of a pair, and memory of the process's own, that is of no column's file.

Columns lie in the store and are memory-mapped; batches are made as a run makes them. In the model's place stands a stub
that reads each batch's tokens and gives nothing, so that what is measured is the pipeline. Each size and each order has
a process of its own, in which no column was made: in one that made them, all growth would hide in memory freed before.
What grows is what says where each row comes: a number or two a pair, and the batches of the epochs at hand.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fresh_process import last_line_of
from pairs import Shape, random_columns
from process_memory import status
from summpo.columns.store import ColumnStore
from summpo.files.provenance import Provenance
from summpo.models.forward.layouts import share_prefixes
from summpo.objectives.dpo import DPO
from summpo.records import Batch, FrozenColumns, Ragged, Texts, TokenRows
from summpo.row_kinds.pairs import Pairs
from summpo.training.data import ColumnData
from summpo.training.plan import Plan
from summpo.training.trainer import prompt_numbers, read_tokens
from table import Row

SIZES = (100, 1_000, 10_000, 100_000)
"""Memory is told a pair between the last and the third from it."""
ORDERS = ("shuffled", "by_prompt", "by_length")
BATCH_TOKENS = 4096
"""With by_length: batches by tokens, for which every row's tokens are counted."""
EPOCHS = 4
"""Of as many are the batches kept at once (`batches.epoch_batches`): what a long run holds."""
MEASURED = 4_000
"""Pairs that are taken at each size, after as many that are not counted."""


@dataclass(frozen=True)
class Figures:
    """Of one size and order."""

    micros: float
    """CPU microseconds a pair."""
    batches: int
    """Bytes that the process has grown by when columns, plan and first batches are there."""
    seen: int
    """The same at the end of a run of `EPOCHS`, when all rows and tokens that it saw are counted."""


def rows(batch_size: int, sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """A row a size for the time, and a row an order for the memory between two of the sizes."""
    few, many = sizes[-3:][0], sizes[-1]
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            stored(ColumnStore(Path(folder)), size)
        shuffled = {size: in_child(Path(folder), size, batch_size, "shuffled") for size in sizes}
        ends = {"shuffled": (shuffled[few], shuffled[many])}
        for order in ORDERS[1:]:
            small, large = (in_child(Path(folder), size, batch_size, order) for size in (few, many))
            ends[order] = (small, large)
    found = []
    for size, figures in shuffled.items():
        what = f"data side, time of a pair of 350/35 tokens, {size:,} pairs, shuffled"
        found.append(Row(what, "", "", f"{figures.micros:.0f} CPU microseconds", "", "flat"))
    return [*found, *(memory_row(order, few, many, *figures) for order, figures in ends.items())]


def memory_row(order: str, few: int, many: int, small: Figures, large: Figures) -> Row:
    """What a pair more costs, and all of it at the larger size."""
    each = {name: (getattr(large, name) - getattr(small, name)) / (many - few) for name in ("batches", "seen")}
    named = f"{order}, batch_tokens={BATCH_TOKENS}" if order == "by_length" else order
    ours = (
        f"{each['batches']:.0f} bytes a pair, {large.batches / 2**20:+.1f} MiB at {many:,}; "
        f"at the end of {EPOCHS} epochs {each['seen']:.0f}, {large.seen / 2**20:+.1f} MiB"
    )
    return Row(f"data side, own memory, {few:,} to {many:,} pairs, {named}", "", "", ours, "", "constant")


def in_child(folder: Path, size: int, batch_size: int, order: str) -> Figures:
    """The figures, from `python growth.py` with these arguments."""
    return Figures(**json.loads(last_line_of("growth.py", [folder, size, batch_size, order])))


def measure(store: ColumnStore, size: int, batch_size: int, order: str) -> Figures:
    """The figures of this process, whose columns are in the store already."""
    before = status("RssAnon")
    batches = -(-MEASURED // batch_size)
    data = data_side(stored(store, size), batch_size, order, 2 * batches)
    stream = iter(data.train_dataloader())
    for _ in range(batches):
        stub_model(next(stream))
    start = time.process_time()
    for _ in range(batches):
        stub_model(next(stream))
    micros = (time.process_time() - start) / (batches * batch_size) * 1e6
    with_batches = status("RssAnon") - before
    data.total_batches = data.plan.total_batches(max_epochs=EPOCHS, max_steps=-1)
    data.seen()
    return Figures(micros, with_batches, status("RssAnon") - before)


def data_side(columns: FrozenColumns, batch_size: int, order: str, total_batches: int) -> ColumnData:
    """As a run makes it."""
    rows = columns.rows
    plan = Plan(
        rows=len(rows),
        batch_size=batch_size,
        world_size=1,
        accumulate=1,
        seed=0,
        order=order,
        batch_tokens=BATCH_TOKENS if order == "by_length" else None,
        tokens=read_tokens(rows, shares_prefixes=True),
        prompts=prompt_numbers(rows) if order == "by_prompt" else None,
    )
    return ColumnData(columns, None, plan, total_batches, 0, batch_size, Pairs(DPO()), share_prefixes)


def stub_model(batch: Batch) -> None:
    """Reads every token."""
    batch.input_ids.sum().item()


def stored(store: ColumnStore, size: int) -> FrozenColumns:
    """Random pairs and reference log-probs, written to the store and mapped from there."""
    arrays, _ = store.get("growth", Provenance({"size": size}), lambda: make_arrays(size))
    prompts = Ragged(arrays["prompts"], arrays["prompt_offsets"])
    sides = tuple(Ragged(arrays[f"side{i}"], arrays["side_offsets"]) for i in range(2))
    reference = tuple(Ragged(arrays[f"reference{i}"], arrays["side_offsets"]) for i in range(2))
    ids = Texts(Ragged(arrays["ids"], arrays["id_offsets"]))
    return FrozenColumns(TokenRows(ids, prompts, sides), reference, arrays["margins"])


def make_arrays(size: int) -> dict[str, np.ndarray]:
    """What the store holds of the pairs."""
    columns = random_columns(Shape(350, 35, size), vocabulary=49_000)
    rows, reference = columns.rows, columns.reference
    assert reference is not None
    return {
        "ids": rows.ids.utf8.values,
        "id_offsets": rows.ids.utf8.offsets,
        "prompts": rows.prompts.values,
        "prompt_offsets": rows.prompts.offsets,
        "side_offsets": rows.completions[0].offsets,
        **{f"side{i}": each.values for i, each in enumerate(rows.completions)},
        **{f"reference{i}": each.values for i, each in enumerate(reference)},
        "margins": columns.margins,
    }


def main() -> None:
    """One process's figures, as the last line of the output."""
    folder, size, batch_size, order = sys.argv[1:]
    print(json.dumps(asdict(measure(ColumnStore(Path(folder)), int(size), int(batch_size), order))))


if __name__ == "__main__":
    main()
