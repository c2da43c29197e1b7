"""What a tokenizer's chat template makes of turns: all that is said in them, on the day that it is told; or a sentence.

A template is a program of the model's own. It may want what is said as text or in parts (as models that see have it),
refuse a turn, or leave one out. It may ask for the day, and is told one that stands in the settings: by the clock, a
sweep's columns would be others tomorrow, and a model would be asked on another day than it was taught on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from summpo.errors import UserError, require
from summpo.text.rows import Message
from summpo.text.thoughts import without_thoughts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASK = "\ue000"
"""A letter for private use, which stands for one of a text that came from outside."""
Variables: TypeAlias = tuple[tuple[str, Any], ...]
"""The names and values of a template's own variables."""

_IN_PARTS = ((), ("user",), ("user", "assistant"), ("system", "user"), ("system", "user", "assistant"))
"""The roles that are told in parts, [{type: text, text: ...}]: the first that a template takes so."""
_CODES = "aAwdbBmyYHIpMSfzZjUWcxXGuV"
"""The letters of strftime's codes."""
_SWITCHES = re.compile(r"/(?:no_?)?think|/system_override|\s+")
"""What SmolLM 3 and Nemotron read as a switch and do not print, and white space."""


def chat_text(
    turns: Sequence[Message],
    tokenizer: PreTrainedTokenizerBase,
    before_answer: bool,
    variables: Mapping[str, Any],
    day: str,
    without_system: str,
) -> str:
    """The turns as the chat template has them.

    Args:
        before_answer: up to where the assistant speaks next.
        day: what it is told of the day, e.g. 2024-07-26.
        without_system: what the user can do where the template has no system line.

    Raises:
        UserError: there is no chat template, it refuses the turns, leaves out or changes what is said, or reads no
            variable of that name; names the model and the config keys.
    """
    name, template = tokenizer.name_or_path, _template(tokenizer, day)
    unread = [one for one in variables if not re.search(rf"\b{re.escape(one)}\b", template)]
    require(
        not unread,
        f"the chat template of {name} reads no variable {' or '.join(unread)} (config key prompt.chat_template_kwargs)",
    )
    given, roles = tuple(variables.items()), tuple(turn.role for turn in turns)
    in_parts = taken = _roles_in_parts(roles, tokenizer, template, before_answer, given)
    if taken is None and roles[0] == "system":
        in_parts = _roles_in_parts(roles[1:], tokenizer, template, before_answer, given)
    lacks_system = in_parts is not taken
    try:
        text = _rendered(turns, in_parts or (), tokenizer, template, before_answer, given)
    except Exception as error:  # it raises what it likes
        why = " ".join(str(error).split())
        if lacks_system:
            raise UserError(_no_system(name, f"refuses one ({why})", without_system)) from None
        raise UserError(
            f"the chat template of {name} cannot be used: {why} (config keys prompt.chat, prompt.system)"
        ) from None
    require(not lacks_system, _no_system(name, "leaves it out", without_system))
    left_out = _left_out(turns, text) or (roles[-1] if taken is None else None)
    does = f"leaves out what the {left_out} says, or a part of it"
    require(left_out is None, f"the chat template of {name} {does} (config key prompt.chat)")
    return text


def _template(tokenizer: PreTrainedTokenizerBase, day: str) -> str:
    """The tokenizer's own, which knows the day and no clock."""
    name = tokenizer.name_or_path
    require(
        bool(tokenizer.chat_template),
        f"the tokenizer of {name} has no chat template: set prompt.chat=false, without prompt.system, or choose a "
        "model that has one (config key prompt.chat)",
    )
    try:
        template = tokenizer.get_chat_template()
    except ValueError as error:  # several, and none of them the default
        why = " ".join(str(error).split())
        raise UserError(f"the chat template of {name} cannot be used: {why} (config key prompt.chat)") from None
    return _on(day, template)


@lru_cache
def _on(day: str, template: str) -> str:
    """The template with a macro of its own for the clock that transformers has for it, which writes this day."""
    if "strftime_now" not in template:
        return template
    at = datetime.fromisoformat(day)
    written = {f"%{code}": at.strftime(f"%{code}") for code in _CODES}
    written |= {f"%-{code}": str(int(text)) for code in "dmyHIMSj" if (text := written[f"%{code}"])}
    told = "".join(f".replace({code!r}, {text!r})" for code, text in written.items())
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{told} }}}}{{%- endmacro %}}{template}"


@lru_cache(maxsize=32)
def _roles_in_parts(
    roles: tuple[str, ...],
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    before_answer: bool,
    variables: Variables,
) -> tuple[str, ...] | None:
    """The roles that have to be told in parts for a template to print all turns of these; None where it never does."""
    turns = [Message(role, f"{MASK}{place}{MASK}") for place, role in enumerate(roles)]
    for in_parts in _IN_PARTS:
        try:
            text = _rendered(turns, in_parts, tokenizer, template, before_answer, variables)
        except Exception:
            continue
        if all(turn.content in text and f"'{turn.content}'" not in text for turn in turns):  # no part spelled out
            return in_parts
    return None


def _rendered(
    turns: Sequence[Message],
    in_parts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    before_answer: bool,
    variables: Variables,
) -> str:
    """What the template makes of the turns, told in parts or as text."""
    told = [
        {
            "role": turn.role,
            "content": [{"type": "text", "text": turn.content}] if turn.role in in_parts else turn.content,
        }
        for turn in turns
    ]
    return str(
        tokenizer.apply_chat_template(
            told, chat_template=template, tokenize=False, add_generation_prompt=before_answer, **dict(variables)
        )
    )


def _left_out(turns: Sequence[Message], text: str) -> str | None:
    """Whose words are not all in the text: the first such role.

    But for white space, switches, and an assistant's thoughts, which many a template leaves out of earlier turns.
    """
    missing = [turn for turn in turns if turn.content.strip() not in text]
    if not missing:
        return None
    printed = _SWITCHES.sub("", text)
    said = [without_thoughts(turn.content).text if turn.role == "assistant" else turn.content for turn in missing]
    left_out = (turn.role for turn, own in zip(missing, said, strict=True) if _SWITCHES.sub("", own) not in printed)
    return next(left_out, None)


def _no_system(name: str, does: str, without_system: str) -> str:
    """The sentence about a chat template without a system line."""
    return f"the chat template of {name} has no system line and {does}: {without_system}"
