"""From texts to token ids, many texts at a time: a fast tokenizer spreads them over its threads.

A text's ids do not depend on what else is encoded with it. Knows no rows, and no limits but the room a text has.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from summpo.errors import require

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Ids = TypeVar("Ids", bound=Sized)
"""A text's ids, as a list or an array."""

AT_ONCE = 512
"""Texts to encode together: enough for all threads, few enough to hold what a tokenizer says of each token."""


def once(compute: Callable[[Sequence[Key]], Iterable[Value]]) -> Callable[[Sequence[Key]], list[Value]]:
    """`compute` with a memory: it is given the keys that it has not met, each of them once."""
    known: dict[Key, Value] = {}

    def look_up(keys: Sequence[Key]) -> list[Value]:
        new = [key for key in dict.fromkeys(keys) if key not in known]
        if new:
            known.update(zip(new, compute(new), strict=True))
        return [known[key] for key in keys]

    return look_up


def text_tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The ids of each text alone: no special tokens, no EOS, and where the text spells one (<|im_end|>) it is text."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
    return [list(ids) for ids in encoded["input_ids"]]  # type: ignore[arg-type]


def count_tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """How many ids `text_tokens` gives each text. Each distinct one is encoded once."""

    def lengths(distinct: Sequence[str]) -> list[int]:
        return [len(ids) for ids in text_tokens(distinct, tokenizer)]

    count = once(lengths)
    return [n for first in range(0, len(texts), AT_ONCE) for n in count(texts[first : first + AT_ONCE])]


def rendered_tokens(
    texts: Sequence[str], outside: Sequence[str], tokenizer: PreTrainedTokenizerBase, is_chat: bool
) -> list[list[int]]:
    """The ids of rendered prompts, in which what came from outside (the document) cannot speak for the system.

    A special token that the document spells (<|im_end|>) stays text, while those of the template around it are real.
    EOS, which some tokenizers put behind every text, is the completion's to write.

    Args:
        texts: the prompts.
        outside: what stands in each of them and came from outside.
    """
    special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]

    def encode(parts: list[str], with_special: bool) -> list[list[int]]:
        if not parts:
            return []
        return [list(ids) for ids in tokenizer(parts, add_special_tokens=with_special)["input_ids"]]  # type: ignore[arg-type]

    def encode_apart(text: str, inside: slice) -> list[int]:
        (before,), (behind,) = encode([text[: inside.start]], not is_chat), encode([text[inside.stop :]], False)
        return before + text_tokens([text[inside]], tokenizer)[0] + behind

    def without_eos(ids: list[int], text: str) -> list[int]:
        ends_in_eos = bool(ids) and ids[-1] == tokenizer.eos_token_id and not is_chat
        return ids[:-1] if ends_in_eos and not text.endswith(str(tokenizer.eos_token)) else ids

    places = [_spelling(text, part, special) for text, part in zip(texts, outside, strict=True)]
    together = encode([text for text, place in zip(texts, places, strict=True) if place is None], not is_chat)
    whole = iter(together)
    return [
        without_eos(next(whole) if place is None else encode_apart(text, place), text)
        for text, place in zip(texts, places, strict=True)
    ]


def _spelling(text: str, outside: str, special: Sequence[str]) -> slice | None:
    """Where in a text that which came from outside stands, if it spells a special token."""
    start = text.find(outside.strip()) if any(token in outside for token in special) else -1
    return slice(start, start + len(outside.strip())) if start >= 0 else None


@dataclass(frozen=True)
class TooLong:
    """A document whose end has to be cut, for the text around it has no room for all of it."""

    document: str
    ends: np.ndarray
    """int32 [token]: where in the document each of its tokens ends (`token_ends`)."""
    length: int
    """Tokens of the text with all of the document in it."""
    room: int
    """Tokens that the text may have."""


def token_ends(documents: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[np.ndarray]:
    """int32 [token] a document: where in it each of its tokens ends.

    Raises:
        UserError: the tokenizer cannot say.
    """
    require(
        bool(tokenizer.is_fast),
        f"a {type(tokenizer).__name__} is no fast tokenizer and cannot say where to cut a document: "
        "set tokens.too_long=drop or give tokens.max_length more room",
    )
    encoded = tokenizer(list(documents), add_special_tokens=False, return_offsets_mapping=True)
    return [np.array([end for _, end in offsets], np.int32) for offsets in encoded["offset_mapping"]]  # type: ignore[union-attr]


def cut_to_fit(too_long: Sequence[TooLong], encode: Callable[[list[str]], Sequence[Ids]]) -> list[Ids | None]:
    """The ids of each text, its document cut until it fits; None where nothing of the document can stay.

    Args:
        encode: the ids of the whole texts, given the documents in them.
    """
    cut: list[Ids | None] = [None] * len(too_long)
    keep = [len(one.ends) - (one.length - one.room) for one in too_long]
    while pending := [i for i, ids in enumerate(cut) if ids is None and keep[i] > 0]:
        documents = [too_long[i].document[: too_long[i].ends[keep[i] - 1]] for i in pending]
        for i, ids in zip(pending, encode(documents), strict=True):
            over = len(ids) - too_long[i].room
            if over <= 0:
                cut[i] = ids
            keep[i] -= max(1, over)
    return cut
