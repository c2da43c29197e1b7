"""Documents that are longer than the model reads, summarised in parts: the parts, then their summaries as one text.

Where that text is too long it is summarised in parts as well, until it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from summpo.errors import require
from summpo.runs.unfinished import PartialResults, Record
from summpo.text.encoding import count_tokens
from summpo.text.rows import SummaryRow
from summpo.writing.generation import Generated
from summpo.writing.long_documents import LongDocuments, parts_of
from summpo.writing.samples import Fate, sample_of
from summpo.writing.writer import Key, Writer


def summarise_in_parts(
    writer: Writer, rows: Sequence[SummaryRow], long: LongDocuments, kept: PartialResults, seed: int
) -> None:
    """Keeps a summary of each document, made of the summaries of its parts; these are kept as well.

    Raises:
        UserError: there is no room for the summaries of two parts, without which their number does not go down.
    """
    short = replace(writer.decoding, max_new_tokens=long.part_max_new_tokens)
    of_part, of_parts = (replace(writer, prompt=prompt, decoding=short) for prompt in (long.part, long.join))
    last = replace(writer, prompt=long.join)
    check_room((of_part, of_parts, last), long.part_max_new_tokens)
    by_id = {row.id: row for row in rows}
    parts = {row.id: fitting_parts(of_part, row.document) for row in rows}
    counts = {name: len(texts) for name, texts in parts.items()}
    left_out = dict.fromkeys(parts, 0)
    by, level = of_part, 0

    def keep_part(key: Key, written: list[Generated]) -> Record:
        return {"id": key[0], "part": key[1], "summary": writer.text(written[0])}

    def keep_last(key: Key, written: list[Generated]) -> Record:
        return sample_of(writer, by_id[key[0]], written[0], Fate(left_out[key[0]], counts[key[0]]))

    while parts:
        level += 1
        prompts, out = prompts_of_parts(by, parts, level)
        by.write_kept(prompts, kept, seed + level, keep_part)
        finals: dict[Key, list[int]] = {}
        still: dict[str, list[str]] = {}
        for name, texts in parts.items():
            left_out[name] += out[name]
            joined = joined_summaries(kept, name, level, len(texts))
            (ids,), (over,) = last.prompts([SummaryRow(name, joined, "")])
            fewer = fitting_parts(of_parts, joined) if over else []
            if over and len(fewer) < len(texts):
                still[name] = fewer
            elif joined:
                left_out[name] += over
                finals[name, ""] = ids
            elif kept.get(name) is None:  # the model had nothing to say of any part
                kept.keep([keep_last((name, ""), [Generated([], end=writer.end_ids[0])])])
        last.write_kept(finals, kept, seed, keep_last)
        parts, by = still, of_parts


def prompts_of_parts(
    writer: Writer, parts: Mapping[str, Sequence[str]], level: int
) -> tuple[dict[Key, list[int]], dict[str, int]]:
    """The prompt of each part, and how many tokens of each document's parts they leave out."""
    prompts: dict[Key, list[int]] = {}
    left_out = {}
    for name, texts in parts.items():
        ids, out = writer.prompts([SummaryRow(name, text, "") for text in texts])
        prompts |= {(name, part_name(level, n)): own for n, own in enumerate(ids)}
        left_out[name] = sum(out)
    return prompts, left_out


def joined_summaries(kept: PartialResults, name: str, level: int, count: int) -> str:
    """The summaries of a document's parts as one text, a paragraph each."""
    records = [kept.get(name, part_name(level, number)) for number in range(count)]
    return "\n\n".join(record["summary"] for record in records if record is not None and record["summary"])


def part_name(level: int, number: int) -> str:
    """What a part's summary is kept under: 1.0 for the document's first part, 2.0 for the first of their summaries."""
    return f"{level}.{number}"


def fitting_parts(writer: Writer, text: str) -> list[str]:
    """The text in parts whose prompts fit.

    A part may have some tokens more than the paragraphs and sentences that it is made of have apart: the limit is
    lowered by what is over, until nothing is.
    """
    limit = writer.room()
    while True:
        parts = parts_of(text, limit, lambda texts: count_tokens(texts, writer.tokenizer))
        _, left_out = writer.prompts([SummaryRow(f"part {n}", part, "") for n, part in enumerate(parts)])
        over = max(left_out, default=0)
        if not 0 < over < limit:
            return parts
        limit -= over


def check_room(writers: Sequence[Writer], part_max_new_tokens: int) -> None:
    """Checks that each prompt has room for the summaries of two parts.

    Raises:
        UserError: naming the numbers and their keys.
    """
    room, needed = min(writer.room() for writer in writers), 2 * part_max_new_tokens
    require(
        room > needed,
        f"map_reduce needs room for the summaries of two parts, {needed} tokens, and tokens.max_length="
        f"{writers[0].limits.max_length} leaves {max(room, 0)} beside the prompt and what is written: raise it, or "
        "lower map_reduce.part_max_new_tokens or generation.max_new_tokens",
    )
