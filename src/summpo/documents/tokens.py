"""How many tokens a text has, many texts at a time; a book is not encoded to its end to find it too long.

Counts are those of `summpo.text.encoding.count_tokens`: no special tokens, and where a text spells one it is text. The
tokenizers library alone does the work, for a worker process that loads transformers starts seconds later.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from summpo.errors import UserError, require

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BEGINNING = 12
"""Characters for each token that is allowed, which a text's beginning has: some three times as many as it takes."""


def tokenizer_file(path: Path) -> Path:
    """The tokenizer.json of a model's folder, or the file itself.

    Raises:
        UserError: there is none.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    require(file.is_file(), f"{path} holds no tokenizer.json to count tokens with")
    return file


@lru_cache(maxsize=2)
def loaded(file: str) -> Tokenizer:
    """The tokenizer of a file, once a process.

    Raises:
        UserError: it cannot be loaded.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(file)
    except Exception as error:  # the library raises bare Exceptions
        raise UserError(f"{file} cannot be read as a tokenizer: {' '.join(str(error).split())[:300]}") from None
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def count(file: str, texts: Sequence[str]) -> list[int]:
    """The number of tokens of each text."""
    return [len(found.ids) for found in loaded(file).encode_batch_fast(list(texts), add_special_tokens=False)]


def count_up_to(file: str, texts: Sequence[str], most: int | None) -> list[tuple[int, bool]]:
    """The number of tokens of each text, and whether it is exact.

    It is not where a long text's beginning alone has more than twice as many as `most`: then it is the beginning's. (A
    text that is cut may lose or gain some tokens at the cut, never half of them.)
    """
    if most is None:
        return [(tokens, True) for tokens in count(file, texts)]
    beginnings = [text[: BEGINNING * most] for text in texts]
    counts = count(file, beginnings)
    is_whole = [len(text) == len(beginning) for text, beginning in zip(texts, beginnings, strict=True)]
    is_over = [tokens > 2 * most for tokens in counts]
    again = [n for n, (whole, over) in enumerate(zip(is_whole, is_over, strict=True)) if not whole and not over]
    for n, tokens in zip(again, count(file, [texts[n] for n in again]), strict=True):
        counts[n], is_whole[n] = tokens, True
    return list(zip(counts, is_whole, strict=True))
