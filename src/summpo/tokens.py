"""From text rows to token rows: where prompt and completion meet, and what happens to rows that do not fit.

Prompt and completion are tokenised apart and joined, so that their boundary is the same for the chosen and the rejected
completion of a pair. EOS ends every completion. A completion is never cut. What is dropped or cut is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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


def completion_tokens(
    row: SummaryRow | PairRow, tokenizer: PreTrainedTokenizerBase, limits: Limits
) -> tuple[list[int], ...]:
    """Each completion's ids with EOS at the end."""
    texts = completions_of(row)
    if any(not text.strip() for text in texts):
        raise _Dropped(
            "empty_completion", f"row {row.id}: a completion is empty (tokens.empty=drop drops it)", limits.empty
        )
    if len(texts) == 2 and texts[0].strip() == texts[1].strip():
        sentence = f"row {row.id}: chosen and rejected are the same text (tokens.identical=drop drops it)"
        raise _Dropped("identical_pair", sentence, limits.identical)
    eos = int(tokenizer.eos_token_id)  # type: ignore[arg-type]
    return tuple([*ids, eos] for ids in text_tokens(texts, tokenizer))


def prompt_tokens(
    row: SummaryRow | PairRow, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, limits: Limits, reserved: int
) -> tuple[list[int], bool]:
    """The prompt's ids, and whether the document was cut to leave `reserved` tokens for the longest completion."""

    def encode(user_text: str) -> list[int]:
        text = prompt.render(user_text, tokenizer)
        return list(tokenizer(text, add_special_tokens=not prompt.chat)["input_ids"])  # type: ignore[arg-type]

    room = limits.max_length - reserved
    ids = encode(row.prompt if row.prompt is not None else prompt.around(row.document))
    if not ids:  # nothing would stand before the completion's first token to predict it from
        raise _Dropped("empty_prompt", f"row {row.id}: the prompt is empty (tokens.empty=drop drops it)", limits.empty)
    if len(ids) <= room:
        return ids, False
    sentence = (
        f"row {row.id}: prompt and completion have {len(ids) + reserved} tokens, "
        f"more than tokens.max_length={limits.max_length}"
    )
    if limits.too_long != "truncate_document" or row.prompt is not None:
        raise _Dropped("too_long", sentence, "error" if limits.too_long == "error" else "drop")
    encoded = tokenizer(row.document, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in encoded["offset_mapping"]]  # type: ignore[union-attr]
    keep = len(ends) - (len(ids) - room)
    while keep > 0:
        ids = encode(prompt.around(row.document[: ends[keep - 1]]))
        if len(ids) <= room:
            return ids, True
        keep -= max(1, len(ids) - room)
    raise _Dropped("no_room_for_document", f"{sentence} and no room for its document", "drop")
