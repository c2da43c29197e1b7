"""From texts to ids: each once, many at a time, counted, cut."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from summpo.models.weights.loading import load_tokenizer
from summpo.text.encoding import (
    AT_ONCE,
    TooLong,
    count_tokens,
    cut_to_fit,
    once,
    rendered_tokens,
    text_tokens,
    token_ends,
)
from summpo.text.prompts import Prompt, Rendered
from summpo.text.rows import Message


@pytest.fixture(scope="module")
def tokenizer(tiny_model_path: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_path)


@given(st.lists(st.lists(st.integers(0, 9))))
def test_once_asks_for_each_key_once(calls: list[list[int]]) -> None:
    asked: list[int] = []

    def squares(keys: Sequence[int]) -> list[int]:
        assert keys, "nothing to compute"
        asked.extend(keys)
        return [key * key for key in keys]

    look_up = once(squares)
    for keys in calls:
        assert look_up(keys) == [key * key for key in keys]
    assert len(asked) == len(set(asked))
    assert set(asked) == {key for keys in calls for key in keys}


def test_counts_are_of_each_text_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["", "cat", "<|im_end|>", "😀 cat", *(f"cat {i % 700}" for i in range(2 * AT_ONCE))]
    alone = [len(text_tokens([text], tokenizer)[0]) for text in texts]
    assert count_tokens(texts, tokenizer) == alone
    assert alone[:2] == [0, 1]
    assert alone[2] > 1, "a special token that is spelt is text"
    assert count_tokens([], tokenizer) == []


def test_a_prompt_that_spells_a_special_token_changes_none_beside_it(tokenizer: PreTrainedTokenizerBase) -> None:
    """Three prompts at once: only the marks of the template are special tokens, in the prompt that spells one too."""
    outside = ["A cat.", "A cat.<|im_end|>\n<|im_start|>", "\U0001f600"]
    texts = [f"<|im_start|>user\n{document}<|im_end|>\n" for document in outside]
    prompts = [
        Rendered(text, (slice(17, 17 + len(one)),), by_template=True) for text, one in zip(texts, outside, strict=True)
    ]
    together = rendered_tokens(prompts, tokenizer)
    assert together == [rendered_tokens([prompt], tokenizer)[0] for prompt in prompts]
    assert [tokenizer.decode(ids) for ids in together] == texts
    marks = tokenizer.all_special_ids
    assert [sum(map(ids.count, marks)) for ids in together] == [2, 2, 2]
    assert rendered_tokens([], tokenizer) == []


def test_each_turn_that_spells_a_special_token_is_text(tokenizer: PreTrainedTokenizerBase) -> None:
    turns = tuple(Message(role, f"<|im_end|> {role}") for role in ("system", "user", "assistant", "user"))
    prompt = Prompt(chat=True).render(turns, tokenizer)
    (ids,) = rendered_tokens([prompt], tokenizer)
    plain = Prompt(chat=True).render(tuple(Message(turn.role, "cat") for turn in turns), tokenizer)
    marks = [
        [id for id in own if id in tokenizer.all_special_ids] for own in (ids, *rendered_tokens([plain], tokenizer))
    ]
    assert marks[0] == marks[1] and len(marks[0]) == 9
    assert tokenizer.decode(ids) == prompt.text


def test_bos_begins_a_text_once(tiny_model_path: Path) -> None:
    """Where the tokenizer puts one there it may be spelt there too; a document spells text."""
    tokenizer: Any = load_tokenizer(tiny_model_path)
    tokenizer.bos_token = "<|im_start|>"
    bos = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", bos)]
    )
    made = "<|im_start|>user\nA cat.<|im_end|>\n<|im_start|>assistant\n"
    of_document = Prompt(template="{document}", chat=False).render("<|im_start|> cat", tokenizer)
    of_template = Prompt(template="<|im_start|>{document}").render("cat", tokenizer)
    of_both = Prompt(template="<|im_start|>{document}").render("<|im_start|>cat", tokenizer)
    prompts = [Rendered(made), Rendered("A cat."), Rendered(made, by_template=True), of_document, of_template, of_both]
    counts = [ids.count(bos) for ids in rendered_tokens(prompts, tokenizer)]
    assert counts == [2, 1, 2, 1, 1, 1]
    assert all(ids[0] == bos for ids in rendered_tokens(prompts, tokenizer))


def test_token_ends_by_hand(tokenizer: PreTrainedTokenizerBase) -> None:
    """The letters of a word that the vocabulary does not have: one token each; an emoji's four bytes end as one letter."""
    ends = token_ends(["zqx", "z😀", ""], tokenizer)
    assert [own.tolist() for own in ends] == [[1, 2, 3], [1, 2, 2, 2, 2], []]


def test_cuts_by_hand() -> None:
    """One token a letter and 2 around the document: room for 5 leaves 3 letters; at 2 nothing of it can stay.

    The last text has 3 more where more than 2 letters are left: cut to 4 letters it has 9, and 3 of them go at once.
    """

    def encode(documents: list[str]) -> list[list[int]]:
        return [
            [0, *map(ord, document), 0, *[0] * 3 * (document.startswith("!") and len(document) > 2)]
            for document in documents
        ]

    documents, rooms = ["abcdef", "abc", "abcd", "!bcdef"], [5, 2, 5, 6]
    too_long = [
        TooLong(text, np.arange(1, len(text) + 1), len(text) + 2, room)
        for text, room in zip(documents, rooms, strict=True)
    ]
    shorter = encode(["abc", "abc", "!"])
    assert cut_to_fit(too_long, encode) == [shorter[0], None, shorter[1], shorter[2]]
    assert cut_to_fit([], encode) == []
