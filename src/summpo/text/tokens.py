"""From text rows to token rows: where prompt and completion meet, and what happens to rows that do not fit.

Prompt and completion are tokenised apart and joined, so that their boundary is the same for the chosen and the rejected
completion of a pair. Every completion ends: with EOS, or as the chat template ends a turn (`turns`). It is never cut.
What is dropped or cut is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from summpo.errors import UserError, require_choice, require_number
from summpo.text.encoding import AT_ONCE, TooLong, cut_to_fit, once, rendered_tokens, token_ends
from summpo.text.prompts import Prompt, Source, source_of
from summpo.text.rows import PairRow, Rows, SummaryRow, TextRow
from summpo.text.turns import completion_tokens, without_ends

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from summpo.records import TokenRows


@dataclass(frozen=True)
class Limits:
    """How long a prompt with its completion may be, and what is done with rows that do not fit."""

    max_length: int = 1024
    """Tokens of prompt and completion together, at most."""
    too_long: str = "truncate_document"
    """What to do with a row over max_length: drop, truncate_document or error."""
    empty: str = "error"
    """What to do with an empty document, prompt or completion: drop or error."""
    identical: str = "drop"
    """What to do with a pair of equal completions: drop or error."""

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


@dataclass(frozen=True)
class _Fitting:
    """A prompt that leaves room for its row's completions."""

    ids: np.ndarray
    left_out: int
    """How many tokens of its document were cut off for it."""


@dataclass(frozen=True)
class _Dropped:
    """Why a row does not become a token row; who makes a prompt and cannot drop its row has the sentence."""

    reason: str
    sentence: str
    policy: str


def tokenize(rows: Rows, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, limits: Limits) -> Tokenized:
    """Token rows of text rows, in their order.

    Each distinct prompt and each distinct completion is encoded once, those of `AT_ONCE` rows together, and its ids are
    held to the end, 4 bytes each. A document that is cut is encoded anew for each row.

    Raises:
        UserError: a row breaks a limit whose policy is `error`; names the first one and what is wrong with it.
    """
    from summpo.records import Ragged, Texts, TokenRows

    def encode_completions(completions: Sequence[tuple[str | None, str]]) -> list[np.ndarray]:
        ready, texts = zip(*completions, strict=True)
        return [np.array(ids, np.int32) for ids in completion_tokens(texts, tokenizer, prompt, ready=ready)]

    rows = without_ends(rows, tokenizer, prompt)  # type: ignore[assignment]
    encode, make_prompts = once(encode_completions), _Prompts(tokenizer, prompt, limits)
    counts: Counter[str] = Counter()
    kept: list[int] = []
    prompts: list[np.ndarray] = []
    completions: list[tuple[np.ndarray, ...]] = []
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        texts = zip(*(row.completions.values() for row in some), strict=True)
        sides = [encode([(row.prompt, text) for row, text in zip(some, side, strict=True)]) for side in texts]
        ids_of_rows = list(zip(*sides, strict=True))
        fates = make_prompts(some, [max(map(len, ids)) for ids in ids_of_rows])
        for index, (row, ids, made) in enumerate(zip(some, ids_of_rows, fates, strict=True), first):
            fate = _unusable(row, limits) or made
            if isinstance(fate, _Dropped):
                if fate.policy == "error":
                    raise UserError(fate.sentence)
                counts[f"dropped_{fate.reason}"] += 1
                continue
            counts["truncated_document"] += fate.left_out > 0
            kept.append(index)
            prompts.append(fate.ids)
            completions.append(ids)
    counts["kept"] = len(kept)
    columns = zip(*completions, strict=True) if completions else ()
    token_rows = TokenRows(
        Texts.of([rows[index].id for index in kept]),
        Ragged.from_rows(prompts, np.int32),
        tuple(Ragged.from_rows(list(column), np.int32) for column in columns),
    )
    return Tokenized(token_rows, np.asarray(kept, np.int64), {name: n for name, n in sorted(counts.items()) if n})


def prompts_to_write_from(
    rows: Sequence[SummaryRow],
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    limits: Limits,
    max_new_tokens: int,
    key: str,
) -> tuple[list[list[int]], list[int]]:
    """Each document's prompt, cut to leave room for a summary of `max_new_tokens`, and how many tokens were cut off.

    Raises:
        UserError: there is no room for a document; names the row and `key`, the config key of max_new_tokens.
    """
    make_prompts = _Prompts(tokenizer, prompt, replace(limits, too_long="truncate_document"))
    prompts: list[list[int]] = []
    left_out: list[int] = []
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        for fate in make_prompts(some, [max_new_tokens] * len(some)):
            if isinstance(fate, _Dropped):
                kept = f"{max_new_tokens} of them are kept for the summary (config key {key})"
                raise UserError(f"{fate.sentence}; {kept}")
            prompts.append(fate.ids.tolist())
            left_out.append(fate.left_out)
    return prompts, left_out


class _Prompts:
    """Makes the prompts of rows; remembers the ids of each distinct one, and where to cut each document."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, limits: Limits) -> None:
        self.tokenizer, self.prompt, self.limits = tokenizer, prompt, limits
        self.whole = once(self._encode)
        self.ends = once(partial(token_ends, tokenizer=tokenizer))

    def __call__(self, rows: Rows, reserved: Sequence[int]) -> list[_Fitting | _Dropped]:
        """Each row's prompt that leaves its longest completion so many tokens, or why there is none."""
        for row in rows:
            if row.messages is not None and len(row.messages) > 1 and not self.prompt.chat:
                turns = f"is a conversation of {len(row.messages)} turns, which needs the chat template"
                raise UserError(f"{place_of(row)}: {turns}: set prompt.chat=true")
        try:
            whole = self.whole([source_of(row) for row in rows])
        except UserError as error:
            raise self._of_row(rows, error) from None
        totals = [len(ids) + tokens for ids, tokens in zip(whole, reserved, strict=True)]
        over = [i for i, row in enumerate(rows) if totals[i] > self.limits.max_length and self._may_cut(row)]
        ends = self.ends([rows[i].document for i in over])
        too_long = [
            TooLong(rows[i].document, own, len(whole[i]), self.limits.max_length - reserved[i])
            for i, own in zip(over, ends, strict=True)
        ]
        cut = cut_to_fit(too_long, self._encode)
        shorter = dict(zip(over, cut, strict=True))
        return [
            self._fate(row, ids, total, shorter.get(i))
            for i, (row, ids, total) in enumerate(zip(rows, whole, totals, strict=True))
        ]

    def _encode(self, sources: Sequence[Source]) -> list[np.ndarray]:
        """The ids of prompts in full length."""
        ids = rendered_tokens([self.prompt.render(source, self.tokenizer) for source in sources], self.tokenizer)
        return [np.array(own, np.int32) for own in ids]

    def _of_row(self, rows: Sequence[TextRow], error: UserError) -> UserError:
        """The fault of one of the rows, with the place of the first that has it."""
        for row in rows:
            try:
                self.prompt.render(source_of(row), self.tokenizer)
            except UserError as own:
                return UserError(f"{place_of(row)}: {own}")
        return error

    def _may_cut(self, row: TextRow) -> bool:
        return self.limits.too_long == "truncate_document" and isinstance(source_of(row), str)

    def _fate(self, row: TextRow, ids: np.ndarray, total: int, cut: np.ndarray | None) -> _Fitting | _Dropped:
        is_blank = row.prompt is not None and not row.prompt.strip()
        if is_blank or not len(ids):  # nothing would stand before the completion's first token to predict it from
            sentence = f"{place_of(row)}: the prompt is empty (tokens.empty=drop drops it)"
            return _Dropped("empty_prompt", sentence, self.limits.empty)
        if total <= self.limits.max_length:
            return _Fitting(ids, left_out=0)
        if cut is not None:
            return _Fitting(cut, left_out=len(ids) - len(cut))
        sentence = (
            f"{place_of(row)}: prompt and completion have {total} tokens, "
            f"more than tokens.max_length={self.limits.max_length}"
        )
        if self._may_cut(row):
            return _Dropped("no_room_for_document", f"{sentence} and no room for its document", "drop")
        return _Dropped("too_long", sentence, "error" if self.limits.too_long == "error" else "drop")


def _unusable(row: TextRow, limits: Limits) -> _Dropped | None:
    """What is wrong with a row's document or its completions at any length."""
    if row.prompt is None and not row.document.strip():
        sentence = f"{place_of(row)}: the document is empty (tokens.empty=drop drops it)"
        return _Dropped("empty_document", sentence, limits.empty)
    for column, text in row.completions.items():
        if not text.strip():
            sentence = f"{place_of(row)}: column {column} is empty (tokens.empty=drop drops it)"
            return _Dropped("empty_completion", sentence, limits.empty)
    if isinstance(row, PairRow) and row.chosen.strip() == row.rejected.strip():
        sentence = f"{place_of(row)}: chosen and rejected are the same text (tokens.identical=drop drops it)"
        return _Dropped("identical_pair", sentence, limits.identical)
    return None


def place_of(row: TextRow) -> str:
    """Where a row stands, for sentences about it: "pairs.jsonl, line 3 (row a)", or its id alone."""
    return f"{row.place} (row {row.id})" if row.place else f"row {row.id}"
