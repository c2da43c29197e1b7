"""What stands in a message of an endpoint: its text, and the thoughts that endpoints put beside it."""

from __future__ import annotations

from typing import Any

BESIDE = ("reasoning_content", "reasoning", "thinking")
"""Where endpoints put thoughts: DeepSeek, vLLM, SGLang; OpenRouter, Groq, Ollama; some proxies."""
_THINKS = ("thinking", "reasoning", "redacted_thinking")


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
    beside = next((message[name] for name in BESIDE if isinstance(message.get(name), str) and message[name]), "")
    parts = content if isinstance(content := message.get("content"), list) else []
    return beside + "".join(_text(part) for part in parts if _is_thought(part))


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in _THINKS


def _text(part: Any) -> str:
    """The text of a part, or of the parts within it."""
    if not isinstance(part, dict):
        return ""
    within = next((part[name] for name in ("text", *_THINKS) if part.get(name)), "")
    return "".join(map(_text, within)) if isinstance(within, list) else within if isinstance(within, str) else ""
