"""From a document to the text that the model reads. Text in, text out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from summpo.errors import require

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACEHOLDER = "{document}"


@dataclass(frozen=True)
class Prompt:
    """The text around a document, and whether the tokenizer's chat template goes around that."""

    template: str = "\n\nParagraph:\n{document}\n\nTL;DR:\n"
    chat: bool = False
    system: str | None = None

    def __post_init__(self) -> None:
        require_template(self.template, "prompt.template")
        require(
            self.system is None or self.chat,
            "a system line needs the chat template: set prompt.chat=true (config key prompt.system)",
        )

    def around(self, document: str) -> str:
        """The template with the document in its place; braces in the document stay as they are."""
        before, after = self.template.split(PLACEHOLDER)
        return before + document + after

    def render(self, user_text: str, tokenizer: PreTrainedTokenizerBase) -> str:
        """What the model reads before it writes: the text itself, or the chat template's turns around it."""
        if not self.chat:
            return user_text
        system = [{"role": "system", "content": self.system}] if self.system is not None else []
        turns = [*system, {"role": "user", "content": user_text}]
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


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
