"""How an assistant's turn ends, as it is written and as it is taught: with EOS, or as the chat template has it.

What a template puts behind the token that ends the turn (a newline, in most families) is taught with it: these are the
ids that the same turn has in the middle of a conversation, and those that TRL trains on. Writing stops at the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from summpo.errors import UserError, require
from summpo.text.encoding import rendered_tokens, text_tokens
from summpo.text.prompts import MASK, Prompt, Rendered
from summpo.text.rows import Message
from summpo.text.thoughts import closing_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SAID = f"\u2003{MASK * 2}\u2003"
"""What nobody says, between white space that no template writes."""


@dataclass(frozen=True)
class Turn:
    """What a chat template puts around what an assistant says."""

    start: str
    """A short conversation, up to where the assistant speaks."""
    before: str
    """What follows there: an empty thought, in some families; nothing in most."""
    after: str
    """From the end of what is said to the end of the text: <|im_end|> and a newline, for example."""
    strips: bool
    """Whether white space around what is said is left out."""

    def text(self, said: str, ended: bool) -> Rendered:
        """The short conversation with the assistant's answer in it, whole or up to the end of what is said."""
        said = said.strip() if self.strips else said
        first = len(self.start) + len(self.before)
        whole = self.start + self.before + said + (self.after if ended else "")
        return Rendered(whole, (slice(first, first + len(said)),), by_template=True)


def turn_of(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> Turn:
    """What the prompt's chat template puts around what an assistant says.

    Where the template opens a thought for the assistant that its finished turns do not have, `before` closes it.

    Raises:
        UserError: there is no template, or it refuses, or leaves out what is said.
    """
    asked = prompt.with_system((Message("user", "Go."),))
    start = prompt.chat_text(asked, tokenizer)
    whole = prompt.chat_text((*asked, Message("assistant", _SAID)), tokenizer, before_answer=False)
    strips = _SAID not in whole
    before, said, after = whole.partition(_SAID.strip() if strips else _SAID)
    name = tokenizer.name_or_path
    require(bool(said), f"the chat template of {name} leaves out what the assistant says (config key prompt.chat)")
    opened = closing_of(start)
    if before.startswith(start):
        before = before[len(start) :]
    else:
        before = f"\n{opened}\n\n" if opened is not None else ""
    return Turn(start, before, after, strips)


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
    of_turn = None
    if prompt.chat or tokenizer.chat_template:
        try:
            of_turn = end_token(turn_of(replace(prompt, chat=True), tokenizer), tokenizer)
        except UserError:
            if prompt.chat:
                raise
    ids = [tokenizer.eos_token_id, *of_model, of_turn]
    return list(dict.fromkeys(int(id) for id in ids if id is not None))  # type: ignore[arg-type]


def completion_tokens(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, prompt: Prompt, ended: bool = True
) -> list[list[int]]:
    """The ids of completions: text and EOS, or with a chat template what follows its prompt in the assistant's turn.

    Args:
        ended: with the end of the turn; or up to the end of what is said.

    Raises:
        UserError: the chat template cannot be used, or never ends the turn: a model could not learn to stop.
    """
    if not texts:
        return []
    if not prompt.chat:
        eos = [int(tokenizer.eos_token_id)] * ended  # type: ignore[arg-type]
        return [[*ids, *eos] for ids in text_tokens(texts, tokenizer)]
    turn = turn_of(prompt, tokenizer)
    require(
        end_token(turn, tokenizer) is not None,
        f"the chat template of {tokenizer.name_or_path} never ends the assistant's turn: no control token stands "
        "behind what it says; set prompt.chat=false, without prompt.system (config key prompt.chat)",
    )
    (start,) = rendered_tokens([Rendered(turn.start, by_template=True)], tokenizer)
    wholes = rendered_tokens([turn.text(text, ended) for text in texts], tokenizer)
    return [
        whole[len(start) :] if whole[: len(start)] == start else _apart(turn, text, tokenizer, ended)
        for text, whole in zip(texts, wholes, strict=True)
    ]


def tokens_around(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> int:
    """How many tokens of a completion are not of its text: EOS, or what the chat template puts around it."""
    (whole,) = completion_tokens(["a"], tokenizer, prompt)
    return len(whole) - len(text_tokens(["a"], tokenizer)[0])


def _apart(turn: Turn, text: str, tokenizer: PreTrainedTokenizerBase, ended: bool) -> list[int]:
    """The ids of a turn whose first letters would be one token with the prompt's last."""
    rendered = turn.text(text, ended)
    (said,) = rendered.outside
    cut = len(turn.start)
    own = Rendered(rendered.text[cut:], (slice(said.start - cut, said.stop - cut),), by_template=True)
    return rendered_tokens([own], tokenizer)[0]
