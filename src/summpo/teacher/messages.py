"""What stands in a message of an endpoint: its text, and the thoughts that endpoints put beside it."""

from __future__ import annotations

import re
from typing import Any

BESIDE = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking", "thinking_blocks")
"""Where endpoints put thoughts: DeepSeek, vLLM, SGLang; OpenRouter, Groq, Ollama, LiteLLM; some proxies."""
_THINKS = re.compile(r"think|thought|reason", re.IGNORECASE)
"""The type of a part that is a thought: thinking, reasoning, reasoning.text, redacted_thinking."""
_TEXTS = ("text", "thinking", "reasoning", "summary", "content")
"""Under which keys a part has its text."""
_WITHHELD = "[encrypted]"


def text_of(message: Any) -> str | None:
    """A message's text: its content, or that of its parts which are no thoughts; None where it is no message."""
    if not isinstance(message, dict):
        return None
    content = message.get("content")
    if isinstance(content, list):
        return "".join(_text(part) for part in content if not _is_thought(part))
    return "" if content is None else content if isinstance(content, str) else None


def thoughts_of(message: Any) -> str:
    """The thoughts beside a message's text, or among its parts; empty where there are none."""
    if not isinstance(message, dict):
        return ""
    beside = next((text for name in BESIDE if (text := _text(message.get(name)))), "")
    parts = content if isinstance(content := message.get("content"), list) else []
    return beside + "".join(_text(part) for part in parts if _is_thought(part))


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and (_THINKS.search(str(part.get("type"))) is not None or part.get("thought") is True)


def _text(part: Any) -> str:
    """The text of a part, or of the parts within it."""
    if isinstance(part, list):
        return "".join(_text(one) for one in part if isinstance(one, dict))
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    within = next((part[name] for name in _TEXTS if part.get(name)), "")
    return _text(within) or (_WITHHELD if _is_thought(part) and part.get("data") else "")
