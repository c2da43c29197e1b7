"""How an assistant's turn ends, as it is written and as it is taught: with EOS, or as the chat template has it.

What a template puts behind the token that ends the turn (a newline, in most families) is taught with it: these are the
ids that the same turn has in the middle of a conversation, and those that TRL trains on. Writing stops at the token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from summpo.errors import UserError, require
from summpo.text.chat_templates import MASK
from summpo.text.encoding import rendered_tokens, text_tokens
from summpo.text.prompts import Prompt, Rendered, control_tokens, spells
from summpo.text.rows import Message, PairRow, TextRow
from summpo.text.thoughts import (
    around_own_thought,
    closing_of,
    empty_thought,
    ends_a_thought,
    opening_of,
    own_part,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = TypeVar("Row", bound=TextRow)

_SPACE = "\u2003"
"""White space that no template writes."""
_SAID = f"{_SPACE}{MASK * 2}{_SPACE}"
"""What nobody says."""


@dataclass(frozen=True)
class Turn:
    """What a chat template puts around what an assistant says."""

    start: str
    """A short conversation, up to where the assistant speaks."""
    before: str
    """What follows there: an empty thought, in some families; nothing in most."""
    after: str
    """From the end of what is said to the end of the text: <|im_end|> and a newline, for example."""
    strips: tuple[bool, bool] = (False, False)
    """Whether white space before what is said is left out, and that behind it."""
    thought: str = ""
    """What the prompt has of a thought that it opens, which `before` closes; nothing in most."""

    def text(self, said: str, ended: bool) -> Rendered:
        """The short conversation with the assistant's answer in it, whole or up to the end of what is said."""
        strips_before, strips_behind = self.strips
        said = said.lstrip() if strips_before else said
        said = said.rstrip() if strips_behind else said
        before, thought, between, answer = around_own_thought(self.before, said, self.thought)
        first = len(self.start) + len(before)
        second = first + len(thought) + len(between)
        whole = self.start + before + thought + between + answer + (self.after if ended else "")
        outside = (slice(first, first + len(thought)), slice(second, second + len(answer)))
        return Rendered(whole, outside, by_template=True)

    def behind(self, prompt: str, own: str) -> Turn:
        """The same behind a ready prompt: what that has already is not written again.

        Args:
            own: what the prompt has of the assistant's turn.
        """
        whole = self.thought + self.before
        held = next((count for count in range(len(whole), 0, -1) if prompt.endswith(whole[:count])), 0)
        if held:
            return replace(self, before=whole[held:], thought=whole[:held])
        closing = closing_of(own)
        if closing is not None:
            return replace(self, before=empty_thought(closing), thought=opening_of(own))
        return replace(self, before="") if self.thought or ends_a_thought(own) else self


def turn_of(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> Turn:
    """What the prompt's chat template puts around what an assistant says.

    Where the template opens a thought for the assistant that its finished turns do not have, `before` closes it.

    Raises:
        UserError: there is no template, or it refuses, or leaves out what is said.
    """
    asked = prompt.with_system((Message("user", "Go."),))
    start = prompt.chat_text(asked, tokenizer)
    answered = (*asked, Message("assistant", _SAID))
    before, _, after = prompt.chat_text(answered, tokenizer, before_answer=False).partition(_SAID.strip())
    strips = not before.endswith(_SPACE), not after.startswith(_SPACE)
    before, after = before.removesuffix(_SPACE), after.removeprefix(_SPACE)
    before = before[len(start) :] if before.startswith(start) else ""
    closing = closing_of(start)
    if closing is not None and closing not in before:
        before = empty_thought(closing)
    turn = Turn(start, before, after, strips, opening_of(start))
    if end_token(turn, tokenizer) is None:
        turn = replace(turn, after=_up_to_the_next(answered, after, prompt, tokenizer))
    return turn


def _up_to_the_next(turns: tuple[Message, ...], after: str, prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> str:
    """What ends an assistant's turn where its own text does not: the token by which the user's next begins (GLM 4)."""
    try:
        whole = prompt.chat_text((*turns, Message("user", "Go.")), tokenizer, before_answer=False)
    except UserError:
        return after
    behind = whole.partition(_SAID.strip())[2].removeprefix(_SPACE)
    ends = {behind.index(token) + len(token): token for token in control_tokens(tokenizer) if token in behind}
    is_end = bool(ends) and ends[min(ends)] != tokenizer.bos_token  # which begins a text, and no turn of a user's
    return behind[: min(ends)] if is_end else after


def end_token(turn: Turn, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token by which the template ends the assistant's turn: the first special one behind it, else an added one."""
    ids = list(tokenizer(turn.after, add_special_tokens=False)["input_ids"])  # type: ignore[arg-type]
    added = tokenizer.added_tokens_decoder
    special = {int(tokenizer.eos_token_id), *(id for id, token in added.items() if token.special)}  # type: ignore[arg-type]
    other = {id for id, token in added.items() if str(token).strip()}  # not "\n\n", which some tokenizers add
    first = (next((int(id) for id in ids if id in kind), None) for kind in (special, other))
    return next((id for id in first if id is not None), None)


def end_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, of_model: Sequence[int] = ()) -> list[int]:
    """Every token that ends a completion: EOS, those of the model's own settings, and the end of an assistant's turn.

    Args:
        of_model: as `models.folders.stop_ids` tells them.

    Raises:
        UserError: the prompt asks for a chat template that cannot be used; another's is passed over.
    """
    turn = _turn_if_any(prompt, tokenizer)
    of_turn = None if turn is None else end_token(turn, tokenizer)
    ids = [tokenizer.eos_token_id, *of_model, of_turn]
    return list(dict.fromkeys(int(id) for id in ids if id is not None))  # type: ignore[arg-type]


def _turn_if_any(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> Turn | None:
    """The turn of a chat template that can be used, whether or not the prompt asks for it."""
    if not prompt.chat and not tokenizer.chat_template:
        return None
    try:
        return turn_of(replace(prompt, chat=True), tokenizer)
    except UserError:
        if prompt.chat:
            raise
        return None


def without_ends(rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[Row]:
    """The rows, without the ends of turns at the end of what answers a ready prompt.

    There they are real, as all control tokens of the prompt are, and every completion is ended anyway. What answers a
    document is text, whatever it ends with.

    Raises:
        UserError: as `end_ids`.
    """
    if all(row.prompt is None for row in rows):
        return list(rows)
    turn = _turn_if_any(prompt, tokenizer)
    of_turn = None if turn is None else end_token(turn, tokenizer)
    ends = {str(tokenizer.eos_token)}
    if turn is not None and of_turn is not None:
        ends |= {str(tokenizer.convert_ids_to_tokens(of_turn)), turn.after.strip()}
    closing = re.compile(rf"(?:(?:{'|'.join(map(re.escape, ends))})\s*)+\Z")
    return [row if row.prompt is None else _without_end(row, closing) for row in rows]


def _without_end(row: Row, closing: re.Pattern[str]) -> Row:
    names = ("chosen", "rejected") if isinstance(row, PairRow) else ("summary",)
    texts: dict[str, Any] = {name: closing.sub("", getattr(row, name)) for name in names}
    return replace(row, **texts, references=tuple(closing.sub("", text) for text in row.references))


def completion_tokens(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    ended: bool = True,
    ready: Sequence[str | None] | None = None,
) -> list[list[int]]:
    """The ids of completions: text and EOS, or with a chat template what follows its prompt in the assistant's turn.

    A thought that the prompt has opened is closed first, but by an answer that goes on with it.

    Args:
        ended: with the end of the turn; or up to the end of what is said.
        ready: the ready prompt that each completion follows, where there is one.

    Raises:
        UserError: the chat template cannot be used, or never ends the turn: a model could not learn to stop.
    """
    if not texts:
        return []
    prompts = ready or [None] * len(texts)
    control = control_tokens(tokenizer)
    if not prompt.chat:
        eos = [int(tokenizer.eos_token_id)] * ended  # type: ignore[arg-type]
        own = [own_part(prompt.template if before is None else before, control) for before in prompts]
        said = text_tokens(texts, tokenizer)
        behind = [(i, mark) for i, mark in enumerate(map(closing_of, own)) if mark is not None]
        closed = [
            Turn("", empty_thought(mark), "", thought=opening_of(own[i])).text(texts[i], ended) for i, mark in behind
        ]
        for (i, _), ids in zip(behind, rendered_tokens(closed, tokenizer), strict=True):
            said[i] = ids
        return [[*ids, *eos] for ids in said]
    turn = turn_of(prompt, tokenizer)
    require(
        end_token(turn, tokenizer) is not None,
        f"the chat template of {tokenizer.name_or_path} never ends the assistant's turn: no control token stands "
        "behind what it says; set prompt.chat=false, without prompt.system (config key prompt.chat)",
    )
    turns = [
        turn if before is None or not spells(before, control) else turn.behind(before, own_part(before, control))
        for before in prompts
    ]
    (start,) = rendered_tokens([Rendered(turn.start, by_template=True)], tokenizer)
    wholes = rendered_tokens([own.text(text, ended) for own, text in zip(turns, texts, strict=True)], tokenizer)
    return [
        whole[len(start) :] if whole[: len(start)] == start else _apart(own, text, tokenizer, ended)
        for own, text, whole in zip(turns, texts, wholes, strict=True)
    ]


def _apart(turn: Turn, text: str, tokenizer: PreTrainedTokenizerBase, ended: bool) -> list[int]:
    """The ids of a turn whose first letters would be one token with the prompt's last."""
    rendered = turn.text(text, ended)
    cut = len(turn.start)
    outside = tuple(slice(place.start - cut, place.stop - cut) for place in rendered.outside)
    own = Rendered(rendered.text[cut:], outside, by_template=True)
    return rendered_tokens([own], tokenizer)[0]
