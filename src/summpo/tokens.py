"""From text rows to token rows: where prompt and completion meet, and what happens to rows that do not fit.

Prompt and completion are tokenised apart and joined, so that their boundary is the same for the chosen and the rejected
completion of a pair. EOS ends every completion. A completion is never cut. What is dropped or cut is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from summpo.errors import UserError, require_choice, require_number
from summpo.prompts import Prompt
from summpo.rows import PairRow, SummaryRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from summpo.records import TokenRows


@dataclass(frozen=True)
class Limits:
    """What may become a token row."""

    max_length: int = 1024
    """Tokens of prompt and completion together, at most."""
    too_long: str = "truncate_document"
    """A row over max_length: drop it, cut its document's end, or stop with an error."""
    empty: str = "error"
    """A row with an empty completion or an empty prompt: drop or error."""
    identical: str = "drop"
    """A pair whose two completions are the same text: drop or error."""

    def __post_init__(self) -> None:
        require_number("tokens.max_length", self.max_length, low=8)
        require_choice("tokens.too_long", self.too_long, ("drop", "truncate_document", "error"))
        require_choice("tokens.empty", self.empty, ("drop", "error"))
        require_choice("tokens.identical", self.identical, ("drop", "error"))


@dataclass(frozen=True)
class Tokenized:
    """Token rows, which source rows they are, and what became of the others."""

    rows: TokenRows
    kept: np.ndarray
    """int64 [row]: the index of each token row among the source rows."""
    counts: dict[str, int]
    """Rows by what happened to them: kept, truncated_document (among the kept), dropped_<reason>."""


class _Dropped(UserError):
    """Why a row does not become a token row; who makes a prompt and cannot drop its row has the sentence."""

    def __init__(self, reason: str, sentence: str, policy: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.policy = policy


def completions_of(row: SummaryRow | PairRow) -> tuple[str, ...]:
    """The row's completions: (summary,) or (chosen, rejected)."""
    return (row.chosen, row.rejected) if isinstance(row, PairRow) else (row.summary,)


def tokenize(
    rows: Sequence[SummaryRow] | Sequence[PairRow], tokenizer: PreTrainedTokenizerBase, prompt: Prompt, limits: Limits
) -> Tokenized:
    """Token rows of text rows, in their order.

    Raises:
        UserError: a row breaks a limit whose policy is `error`; names the row and what is wrong with it.
    """
    from summpo.records import Ragged, TokenRows

    counts: Counter[str] = Counter()
    kept: list[int] = []
    prompts: list[list[int]] = []
    completions: list[tuple[list[int], ...]] = []
    for index, row in enumerate(rows):
        try:
            ids = completion_tokens(row, tokenizer, limits)
            prompt_ids, was_cut = prompt_tokens(row, tokenizer, prompt, limits, max(map(len, ids)))
        except _Dropped as drop:
            if drop.policy == "error":
                raise UserError(str(drop)) from None
            counts[f"dropped_{drop.reason}"] += 1
            continue
        counts["truncated_document"] += was_cut
        kept.append(index)
        prompts.append(prompt_ids)
        completions.append(ids)
    counts["kept"] = len(kept)
    columns = zip(*completions, strict=True) if completions else ()
    token_rows = TokenRows(
        tuple(rows[index].id for index in kept),
        Ragged.from_rows(prompts, np.int32),
        tuple(Ragged.from_rows(list(column), np.int32) for column in columns),
    )
    return Tokenized(token_rows, np.asarray(kept, np.int64), {name: n for name, n in sorted(counts.items()) if n})


def text_tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The ids of each text alone: no special tokens, no EOS, and where the text spells one (<|im_end|>) it is text."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
    return [list(ids) for ids in encoded["input_ids"]]  # type: ignore[arg-type]


def place_of(row: SummaryRow | PairRow) -> str:
    """Where a row stands, for sentences about it: "pairs.jsonl, line 3 (row a)", or its id alone."""
    return f"{row.place} (row {row.id})" if row.place else f"row {row.id}"


def completion_tokens(
    row: SummaryRow | PairRow, tokenizer: PreTrainedTokenizerBase, limits: Limits
) -> tuple[list[int], ...]:
    """Each completion's ids with EOS at the end."""
    texts = completions_of(row)
    for column, text in zip(("chosen", "rejected") if len(texts) == 2 else ("summary",), texts, strict=True):
        if not text.strip():
            sentence = f"{place_of(row)}: column {column} is empty (tokens.empty=drop drops it)"
            raise _Dropped("empty_completion", sentence, limits.empty)
    if len(texts) == 2 and texts[0].strip() == texts[1].strip():
        sentence = f"{place_of(row)}: chosen and rejected are the same text (tokens.identical=drop drops it)"
        raise _Dropped("identical_pair", sentence, limits.identical)
    eos = int(tokenizer.eos_token_id)  # type: ignore[arg-type]
    return tuple([*ids, eos] for ids in text_tokens(texts, tokenizer))


def text_to_prompt(text: str, outside: str, tokenizer: PreTrainedTokenizerBase, is_chat: bool) -> list[int]:
    """The ids of a rendered prompt, in which what came from outside (the document) cannot speak for the system.

    A special token that the document spells (<|im_end|>) stays text, while those of the template around it are real.
    EOS, which some tokenizers put behind every text, is the completion's to write.
    """

    def encode(part: str, special: bool) -> list[int]:
        return list(tokenizer(part, add_special_tokens=special)["input_ids"])  # type: ignore[arg-type]

    start = text.find(outside.strip())
    spelt = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special and str(token) in outside]
    if spelt and start >= 0:
        end = start + len(outside.strip())
        ids = (
            encode(text[:start], not is_chat) + text_tokens([text[start:end]], tokenizer)[0] + encode(text[end:], False)
        )
    else:
        ids = encode(text, not is_chat)
    ends_in_eos = bool(ids) and ids[-1] == tokenizer.eos_token_id and not is_chat
    return ids[:-1] if ends_in_eos and not text.endswith(str(tokenizer.eos_token)) else ids


def prompt_tokens(
    row: SummaryRow | PairRow, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, limits: Limits, reserved: int
) -> tuple[list[int], bool]:
    """The prompt's ids, and whether the document was cut to leave `reserved` tokens for the longest completion."""

    def encode(document: str) -> list[int]:
        return text_to_prompt(prompt.render(prompt.around(document), tokenizer), document, tokenizer, prompt.chat)

    room = limits.max_length - reserved
    if row.prompt is not None:
        ids = text_to_prompt(prompt.render(row.prompt, tokenizer), row.prompt, tokenizer, prompt.chat)
    else:
        ids = encode(row.document)
    if not ids:  # nothing would stand before the completion's first token to predict it from
        sentence = f"{place_of(row)}: the prompt is empty (tokens.empty=drop drops it)"
        raise _Dropped("empty_prompt", sentence, limits.empty)
    if len(ids) <= room:
        return ids, False
    sentence = (
        f"{place_of(row)}: prompt and completion have {len(ids) + reserved} tokens, "
        f"more than tokens.max_length={limits.max_length}"
    )
    if limits.too_long != "truncate_document" or row.prompt is not None:
        raise _Dropped("too_long", sentence, "error" if limits.too_long == "error" else "drop")
    cut = cut_to_fit(row.document, encode, room, len(ids), tokenizer)
    if cut is None:
        raise _Dropped("no_room_for_document", f"{sentence} and no room for its document", "drop")
    return cut, True


def cut_to_fit(
    document: str, encode: Callable[[str], list[int]], room: int, length: int, tokenizer: PreTrainedTokenizerBase
) -> list[int] | None:
    """The ids of a text around a document whose end is cut until they fit `room`; None where none of it can stay.

    Args:
        encode: the ids of the whole text, given the document in it.
        length: how many they are with the document uncut, more than `room`.
    """
    encoded = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in encoded["offset_mapping"]]  # type: ignore[union-attr]
    keep = len(ends) - (length - room)
    while keep > 0:
        ids = encode(document[: ends[keep - 1]])
        if len(ids) <= room:
            return ids
        keep -= max(1, len(ids) - room)
    return None


def prompts_to_write_from(
    rows: Sequence[SummaryRow],
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    limits: Limits,
    max_new_tokens: int,
    key: str,
) -> tuple[list[list[int]], int]:
    """Each document's prompt, cut to leave room for a summary of `max_new_tokens`, and how many were cut.

    Raises:
        UserError: there is no room for a document; names the row and `key`, the config key of max_new_tokens.
    """
    cut = replace(limits, too_long="truncate_document")
    try:
        made = [prompt_tokens(row, tokenizer, prompt, cut, max_new_tokens) for row in rows]
    except UserError as error:
        raise UserError(f"{error}; {max_new_tokens} of them are kept for the summary (config key {key})") from None
    return [ids for ids, _ in made], sum(was_cut for _, was_cut in made)
