"""Documents to summaries, each kept as soon as it is written: of whole documents, cut ones, and documents in parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from summpo.runs.unfinished import PartialResults, Record
from summpo.text.rows import SummaryRow
from summpo.text.turns import without_ends
from summpo.writing.decoding import batches_of
from summpo.writing.generation import Generated, cache_bytes
from summpo.writing.long_documents import LongDocuments
from summpo.writing.map_reduce import summarise_in_parts
from summpo.writing.on_vllm import VllmModel
from summpo.writing.samples import Fate, sample_of
from summpo.writing.writer import Key, Writer

log = logging.getLogger(__name__)


def summarise(
    writer: Writer, rows: Sequence[SummaryRow], long: LongDocuments, kept: PartialResults, seed: int
) -> list[dict[str, Any]]:
    """A line of samples.jsonl for each document, in order. What is kept is not written again.

    Args:
        rows: no two of them have one id.
        long: what is done with a document that does not fit.

    Raises:
        UserError: there is no room for a document, or for the summaries of its parts.
    """
    rows = without_ends(rows, writer.tokenizer, writer.prompt)
    prompts, left_out = writer.prompts(rows)
    by_id = {row.id: row for row in rows}
    over = {row.id: out for row, out in zip(rows, left_out, strict=True) if out}
    in_parts = over if long.how == "map_reduce" else {}
    room = max(1, writer.room())
    counts = [parts_at_least(in_parts.get(row.id, 0), room) for row in rows]
    log.info(side_by_side(writer, [len(ids) for ids, count in zip(prompts, counts, strict=True) for _ in range(count)]))
    whole = {(row.id, ""): ids for row, ids in zip(rows, prompts, strict=True) if row.id not in in_parts}

    def keep(key: Key, written: list[Generated]) -> Record:
        return sample_of(writer, by_id[key[0]], written[0], Fate(left_out=over.get(key[0], 0)))

    with tqdm(total=len(rows), desc="summaries", unit="document", disable=None) as bar:
        writer.write_kept(whole, kept, seed, keep, on_batch=bar.update)
        for names in groups_of(in_parts, room, writer.decoding.batch_size):
            if any(kept.get(name) is None for name in names):
                summarise_in_parts(writer, [by_id[name] for name in names], long, kept, seed)
            bar.update(len(names))
    return [dict(kept.get(row.id) or {}) for row in rows]


def groups_of(over: Mapping[str, int], room: int, at_once: int) -> Iterator[list[str]]:
    """The documents that do not fit, in order, as many together as have parts to fill a batch.

    Args:
        over: how many tokens each has more than the `room` for it.
    """
    group: list[str] = []
    parts = 0
    for name, more in over.items():
        group.append(name)
        parts += parts_at_least(more, room)
        if parts >= at_once:
            yield group
            group, parts = [], 0
    if group:
        yield group


def parts_at_least(more: int, room: int) -> int:
    """The number of parts into which a document has to be cut that has so many tokens more than the `room` for it."""
    return 1 + -(-more // room)


def side_by_side(writer: Writer, lengths: Sequence[int]) -> str:
    """What is in memory beside the weights while summaries are written, for the eye.

    Args:
        lengths: tokens of each prompt.
    """
    batches = batches_of(lengths, writer.decoding)
    tokens = max((len(batch) * (lengths[batch[0]] + writer.decoding.max_new_tokens) for batch in batches), default=0)
    size = None if isinstance(writer.model, VllmModel) else cache_bytes(writer.model, tokens)
    memory = "" if size is None else f", {size / 1e9:.2g} GB of keys and values"
    return f"side by side: at most {max(map(len, batches), default=0)} of {len(lengths)}, {tokens} tokens{memory}"
