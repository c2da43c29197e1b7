"""From the ids that a model wrote to the text of its summary: without control tokens, and without thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from summpo.text.thoughts import closing_of, is_mark, is_thought_mark, without_marks, without_thoughts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from summpo.writing.generation import Generated


@dataclass(frozen=True)
class ReadAnswer:
    """The answer in what a model wrote, and what is known of the thoughts before it."""

    text: str
    """The answer without the white space around it."""
    thought_tokens: int = 0
    """Tokens of the thoughts before it and their marks."""
    cut_in_thought: bool = False
    """Whether it stopped within a thought."""


def answer_of(written: Generated, tokenizer: PreTrainedTokenizerBase, keep_thoughts: bool = False) -> ReadAnswer:
    """The text of a completion.

    Args:
        keep_thoughts: take thoughts for a part of the text.
    """
    if keep_thoughts:
        return ReadAnswer(str(tokenizer.decode(written.ids, skip_special_tokens=True)).strip())
    control = {id: str(token) for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids = [id for id in written.ids if id not in control or is_mark(control[id])]
    said = without_thoughts(str(tokenizer.decode(ids)), written.opened)
    thought = tokenizer(said.thoughts, add_special_tokens=False)["input_ids"] if said.thoughts else []
    text = without_marks(said.text) if any(id in control for id in ids) else said.text
    return ReadAnswer(text.strip(), len(thought), said.cut)  # type: ignore[arg-type]


def opens_thought(prompt: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a prompt ends within a thought, as those of some chat templates do."""
    added = {id: str(token) for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    control = {id for id, token in added.items() if not is_thought_mark(token)}
    start = next((place for place in range(len(prompt), 0, -1) if prompt[place - 1] in control), 0)
    return closing_of(str(tokenizer.decode(list(prompt[start:])))) is not None
