"""From a document to the text that the model reads. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from summpo.errors import UserError, require
from summpo.text.rows import Message, TextRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACEHOLDER = "{document}"
_OUR_VARIABLES = ("messages", "conversation", "add_generation_prompt", "continue_final_message", "tokenize",
                  "chat_template", "return_dict", "return_tensors", "padding", "truncation", "max_length")  # fmt: skip
MASK = "\ue000"
"""A letter for private use, which stands for one of a text that came from outside."""


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
    chat: bool = False
    system: str | None = None
    chat_template_kwargs: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)
    """Variables of the chat template by its own names, e.g. enable_thinking=false; what it does not read is refused."""

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
        """The turns behind the system line, where they have none of their own."""
        has_own = self.system is None or turns[0].role == "system"
        return turns if has_own else (Message("system", str(self.system)), *turns)

    def chat_text(
        self, turns: Sequence[Message], tokenizer: PreTrainedTokenizerBase, before_answer: bool = True
    ) -> str:
        """The turns as the chat template has them, by default up to where the assistant speaks.

        Raises:
            UserError: there is no chat template, it refuses the turns, leaves the system line out, or reads no variable
                of that name; names the model and the config keys.
        """
        name = tokenizer.name_or_path
        require(
            bool(tokenizer.chat_template),
            f"the tokenizer of {name} has no chat template: set prompt.chat=false, without prompt.system, or choose a "
            "model that has one (config key prompt.chat)",
        )
        self._require_variables(tokenizer)
        variables: dict[str, Any] = dict(self.chat_template_kwargs)

        def text_of(turns: Sequence[Message]) -> str:
            plain = [{"role": turn.role, "content": turn.content} for turn in turns]
            return str(
                tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=before_answer, **variables)
            )

        system = turns[0].content if turns[0].role == "system" else ""
        try:
            text = text_of(turns)
        except Exception as error:  # a template is a program of the model's own, and raises what it likes
            why = " ".join(str(error).split())
            if system and _goes(text_of, turns[1:]):
                raise UserError(_no_system(name, f"refuses one ({why})")) from None
            raise UserError(
                f"the chat template of {name} cannot be used: {why} (config keys prompt.chat, prompt.system)"
            ) from None
        require(not system.strip() or system.strip() in text, _no_system(name, "leaves it out"))
        return text

    def _require_variables(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Refuses a variable that the chat template does not read."""
        template = str(tokenizer.chat_template)
        unread = [name for name in self.chat_template_kwargs if not re.search(rf"\b{re.escape(name)}\b", template)]
        require(
            not unread,
            f"the chat template of {tokenizer.name_or_path} reads no variable {' or '.join(unread)} "
            "(config key prompt.chat_template_kwargs)",
        )


def _goes(text_of: Callable[[Sequence[Message]], str], turns: Sequence[Message]) -> bool:
    """Whether the chat template takes these turns."""
    try:
        return bool(text_of(turns))
    except Exception:
        return False


def _no_system(name: str, does: str) -> str:
    """The sentence about a chat template without a system line."""
    return (
        f"the chat template of {name} has no system line and {does}: leave prompt.system out, or write it into "
        "prompt.template (config keys prompt.system, prompt.chat)"
    )


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
