"""From texts to token ids, many texts at a time: a fast tokenizer spreads them over its threads.

A text's ids do not depend on what else is encoded with it. Knows no rows, and no limits but the room a text has.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from summpo.errors import require
from summpo.text.prompts import Rendered, control_tokens, spells

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


def rendered_tokens(prompts: Sequence[Rendered], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The ids of prompts, in which what came from outside (the document) cannot speak for the system.

    A special token that the document spells (<|im_end|>) stays text, while those around it are real. BOS begins a text
    once, also where it is spelt there. EOS, which some tokenizers put behind every text, is the completion's to write.
    """
    control = control_tokens(tokenizer)

    def encode(parts: list[str], with_special: bool) -> list[list[int]]:
        if not parts:
            return []
        return [list(ids) for ids in tokenizer(parts, add_special_tokens=with_special)["input_ids"]]  # type: ignore[arg-type]

    def encode_apart(prompt: Rendered, spelling: Sequence[slice]) -> list[int]:
        first, *_ = spelling
        (ids,) = encode([prompt.text[: first.start]], gets_special(prompt))
        for place, after in zip(spelling, [*spelling[1:], None], strict=True):
            (behind,) = encode([prompt.text[place.stop : after and after.start]], False)
            ids += text_tokens([prompt.text[place]], tokenizer)[0] + behind
        return ids

    def gets_special(prompt: Rendered) -> bool:
        bos = str(tokenizer.bos_token or "")
        spelt = bool(bos) and prompt.text.startswith(bos) and not any(place.start == 0 for place in prompt.outside)
        return not prompt.by_template and not spelt

    def without_eos(ids: list[int], prompt: Rendered) -> list[int]:
        ends_in_eos = bool(ids) and ids[-1] == tokenizer.eos_token_id and not prompt.by_template
        return ids[:-1] if ends_in_eos and not prompt.text.endswith(str(tokenizer.eos_token)) else ids

    places = [[place for place in one.outside if spells(one.text[place], control)] for one in prompts]
    wholes: dict[int, list[int]] = {}
    for special in (False, True):
        some = [i for i, one in enumerate(prompts) if not places[i] and gets_special(one) == special]
        wholes |= zip(some, encode([prompts[i].text for i in some], special), strict=True)
    return [
        without_eos(wholes[i] if i in wholes else encode_apart(one, places[i]), one) for i, one in enumerate(prompts)
    ]


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
