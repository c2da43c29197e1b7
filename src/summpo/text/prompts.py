"""From a document to the text that the model reads. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

from summpo.errors import require
from summpo.text import chat_templates
from summpo.text.chat_templates import MASK
from summpo.text.rows import Message, TextRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACEHOLDER = "{document}"
_OUR_VARIABLES = ("messages", "conversation", "add_generation_prompt", "continue_final_message", "tokenize",
                  "chat_template", "return_dict", "return_tensors", "padding", "truncation", "max_length")  # fmt: skip


@dataclass(frozen=True)
class Ready:
    """A prompt that is made already: the control tokens that it spells are real.

    With prompt.chat=true one that spells none is what the user says.
    """

    text: str


Source: TypeAlias = str | Ready | tuple[Message, ...]
"""What a prompt is made of: a document for the template, a prompt that is ready, or the turns of a conversation."""


@dataclass(frozen=True)
class Rendered:
    """The text of a prompt."""

    text: str
    outside: tuple[slice, ...] = ()
    """Where that stands which came from outside, which is text whatever it spells; of a chat template where it spells a
    control token."""
    by_template: bool = False
    """A chat template has written it, with every control token that belongs there, BOS among them."""


@dataclass(frozen=True)
class Prompt:
    """The text around a document, and whether the tokenizer's chat template goes around that."""

    template: str = "\n\nParagraph:\n{document}\n\nTL;DR:\n"
    """The text around a document; {document} stands for it, newlines are real ones."""
    chat: bool = False
    """Put the tokenizer's chat template around the text."""
    system: str | None = None
    """The system line of the chat template."""
    merge_system: bool = False
    """Put a system line before the user's first words, for a chat template that has none."""
    day: str = "2024-07-26"
    """The day that a chat template is told (Llama 3's asks for it): by the clock its prompts would change each day."""
    chat_template_kwargs: dict[str, bool | int | float | str | None] = field(default_factory=dict)
    """Variables of the chat template by its own names, e.g. enable_thinking=false; one that it does not read is an
    error."""

    def __post_init__(self) -> None:
        require_template(self.template, "prompt.template")
        require(
            not self.chat_template_kwargs or self.chat,
            "variables of the chat template need the chat template: set prompt.chat=true "
            "(config key prompt.chat_template_kwargs)",
        )
        ours = [name for name in self.chat_template_kwargs if name in _OUR_VARIABLES]
        require(
            not ours,
            f"{' and '.join(ours)} of the chat template is told by summpo (config key prompt.chat_template_kwargs)",
        )
        require(
            self.system is None or self.chat,
            "a system line needs the chat template: set prompt.chat=true (config key prompt.system)",
        )
        require(
            not self.merge_system or self.chat,
            "a system line needs the chat template: set prompt.chat=true (config key prompt.merge_system)",
        )
        require(is_day(self.day), f"day must be a date such as 2024-07-26, got {self.day} (config key prompt.day)")

    def around(self, document: str) -> str:
        """The template with the document in its place; braces in the document stay as they are."""
        before, after = self.template.split(PLACEHOLDER)
        return before + document + after

    def render(self, source: Source, tokenizer: PreTrainedTokenizerBase) -> Rendered:
        """What the model reads before it writes: the text itself, or the chat template's turns around it.

        Raises:
            UserError: a conversation of several turns, and no chat template is asked for.
        """
        if isinstance(source, Ready) and (not self.chat or spells(source.text, control_tokens(tokenizer))):
            return Rendered(source.text)
        if not self.chat:
            return self._plain(source)
        text = self.chat_text(self._turns(source), tokenizer)
        outside = [source] if isinstance(source, str) else [turn.content for turn in self._turns(source)]
        control = control_tokens(tokenizer)
        if isinstance(source, Ready) or not any(spells(one, control) for one in outside):
            return Rendered(text, by_template=True)
        masked = self.chat_text(self._turns(source, mask), tokenizer)
        return Rendered(text, _places(text, masked, outside), by_template=True)

    def _plain(self, source: str | Ready | tuple[Message, ...]) -> Rendered:
        """The text without a chat template."""
        if isinstance(source, tuple):
            require(
                [turn.role for turn in source] == ["user"],
                f"a conversation of {len(source)} turns needs the chat template: set prompt.chat=true",
            )
            return Rendered(source[0].content, (_core(source[0].content, 0),))
        assert isinstance(source, str)
        return Rendered(self.around(source), (_core(source, self.template.index(PLACEHOLDER)),))

    def _turns(self, source: Source, seen: Callable[[str], str] = str) -> tuple[Message, ...]:
        """The turns of a conversation, what comes from outside as `seen` has it."""
        if isinstance(source, tuple):
            turns = tuple(Message(turn.role, seen(turn.content)) for turn in source)
        else:
            text = source.text if isinstance(source, Ready) else self.around(seen(source))
            turns = (Message("user", text),)
        return self.with_system(turns)

    def with_system(self, turns: tuple[Message, ...]) -> tuple[Message, ...]:
        """The turns behind the system line, where they have none of their own; or with it before the user's words."""
        has_own = self.system is None or turns[0].role == "system"
        turns = turns if has_own else (Message("system", str(self.system)), *turns)
        return merged(turns) if self.merge_system else turns

    def chat_text(
        self, turns: Sequence[Message], tokenizer: PreTrainedTokenizerBase, before_answer: bool = True
    ) -> str:
        """The turns as the chat template has them, by default up to where the assistant speaks.

        Raises:
            UserError: it cannot be used for them (`chat_templates.chat_text`).
        """
        is_ours = turns[0].content == self.system
        leave_out = "leave prompt.system out, write it into prompt.template," if is_ours else "leave it out of the data"
        remedy = f"{leave_out} or set prompt.merge_system=true, which puts it before the user's first words"
        keys = "prompt.system, prompt.merge_system, prompt.chat" if is_ours else "prompt.merge_system, prompt.chat"
        return chat_templates.chat_text(
            turns, tokenizer, before_answer, self.chat_template_kwargs, self.day, f"{remedy} (config keys {keys})"
        )


def is_day(text: str) -> bool:
    """Whether a text is a date as 2024-07-26 is."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def merged(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns with their system line in the user's first one, a blank line before the user's own words."""
    first = next((place for place, turn in enumerate(turns) if turn.role == "user"), None)
    if turns[0].role != "system" or first is None:
        return turns
    asked = Message("user", f"{turns[0].content}\n\n{turns[first].content}")
    return (*turns[1:first], asked, *turns[first + 1 :])


def source_of(row: TextRow) -> Source:
    """What a row's prompt is made of."""
    if row.messages is not None:
        return row.messages
    return row.document if row.prompt is None else Ready(row.prompt)


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The tokens that texts can spell and that are not text."""
    return [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]


def spells(text: str, control: Sequence[str]) -> bool:
    """Whether a text spells one of the control tokens."""
    return any(token in text for token in control)


def mask(text: str) -> str:
    """As long as the text, with the same white space around it, and nothing in it that anyone else writes."""
    core = text.strip()
    return text.replace(core, MASK * len(core), 1) if core else text


def _core(text: str, start: int) -> slice:
    """Where a text that begins at `start` stands without the white space around it."""
    start += len(text) - len(text.lstrip())
    return slice(start, start + len(text.strip()))


def _places(text: str, masked: str, outside: Sequence[str]) -> tuple[slice, ...]:
    """Where in a rendered text that stands which came from outside."""
    if len(text) == len(masked):
        return tuple(slice(*found.span()) for found in re.finditer(f"{MASK}+", masked))
    around = re.split(f"{MASK}+", masked)
    if len(around) == 2 and text.startswith(around[0]) and text.endswith(around[1]):
        return (slice(len(around[0]), len(text) - len(around[1])),)
    places: list[slice] = []  # the template has changed something: where each stands first
    for part in outside:
        start = text.find(part.strip(), places[-1].stop if places else 0)
        places += [slice(start, start + len(part.strip()))] if start >= 0 else []
    return tuple(places)


def require_template(template: str, key: str) -> None:
    """Guards the text around a document.

    Raises:
        UserError: {document} is not in it once, or a newline is spelt as two characters; names the config `key`.
    """
    require(
        template.count(PLACEHOLDER) == 1,
        f"the template must hold {PLACEHOLDER} once, got {template!r} (config key {key})",
    )
    require(
        "\\n" not in template,
        "the template holds the two characters backslash and n where a newline is meant, got "
        f"{template!r}; write it in a yaml file or as $'...' in the shell (config key {key})",
    )
