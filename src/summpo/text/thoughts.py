"""What a model thinks aloud before it answers, told from its answer. Text in, text out.

A thought stands between two marks, and each family has its own: <think>, [THINK], the channels of gpt-oss. A mark that
a sentence speaks of ("the tag <think> opens it") is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What a model wrote, in two parts."""

    text: str
    """The answer: without the thoughts, and without what a family that thinks puts around its answer."""
    thoughts: str
    """All thoughts with their marks, one after the other; empty where there is none."""
    cut: bool
    """It stopped within a thought, which has no end."""


@dataclass(frozen=True)
class _Dress:
    """The marks around a thought, as patterns."""

    open: str
    close: str
    closing: str | None = None
    """The closing mark itself; None where it is the opening one with a slash: </think>."""


_WORDS = r"(?:(?:seed:|mm:|longcat_|ant)?(?:think|thinking|thoughts?)|reasoning|reflection|scratchpad|analysis)"
_DRESSES = (
    _Dress(rf"<{_WORDS}>", rf"</{_WORDS}>"),  # most families
    _Dress(rf"<\|{_WORDS}\|>", rf"<\|/{_WORDS}\|>"),
    _Dress(r"(?-i:\[THINK(?:ING)?\])", r"(?-i:\[/THINK(?:ING)?\])"),  # Magistral; a speaker may be [thinking]
    _Dress(r"\u25c1think(?:ing)?\u25b7", r"\u25c1/think(?:ing)?\u25b7"),  # Kimi
    _Dress(r"<\|start_thinking\|>", r"<\|end_thinking\|>", "<|END_THINKING|>"),  # Command
    _Dress(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>", "<|end_of_thought|>"),  # Sky-T1
    _Dress(r"<\|think_start\|>", r"<\|think_end\|>", "<|think_end|>"),
    _Dress(r"<\|inner_prefix\|>", r"<\|inner_suffix\|>", "<|inner_suffix|>"),  # Apertus
    _Dress(r"<\|channel>\s*thought\b", r"<channel\|>", "<channel|>"),  # Gemma 4
    _Dress(r"<unused94>\s*thought\b", r"<unused95>", "<unused95>"),  # MedGemma
)
_OPEN = re.compile("|".join(f"({dress.open})" for dress in _DRESSES), re.IGNORECASE)
_CLOSES = tuple(re.compile(dress.close, re.IGNORECASE) for dress in _DRESSES)
_CLOSE = re.compile("|".join(dress.close for dress in _DRESSES), re.IGNORECASE)
_MARK = re.compile(f"{_OPEN.pattern}|{_CLOSE.pattern}", re.IGNORECASE)
"""Any mark, an opening one with the number of its dress as its last group."""
_AMID_A_SENTENCE = re.compile(r"[\w,;][ \t]+\Z")
_CONNECTIVE = re.compile(r"\s*(?:and|or|to|,|/|&|\.{3}|\u2026)?\s*", re.IGNORECASE)
_QUOTES = ("'", '"', "`", "\u2019", "\u201c", "\u201d")
_SPACE = re.compile(r"\s*")
_NEAR = 500
"""Characters of a line on either side of a mark that tell whether a sentence speaks of it."""
_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant)?<\|channel\|>\s*(?P<name>\w*)(?:(?!<\|message\|>).)*(?:<\|message\|>|\Z)(?P<text>.*?)"
    r"(?P<end><\|(?:end|return|call)\|>\s*|(?=<\|start\|>|<\|channel\|>)|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss: that of the channel "final" is the answer."""
_IN_WORDS = re.compile(
    r"\A\s*(?:(?-i:analysis(?![a-z\s]).*assistant\s*final(?![a-z\s]))"
    r"|here(?:'s| is) my thought process:.*?(?P<end>here(?:'s| is) my response:\s*|\Z))",
    re.DOTALL | re.IGNORECASE,
)
"""Thoughts without marks: gpt-oss where an endpoint leaves control tokens out and their words in; Granite."""
_AROUND = re.compile(
    r"\A\s*(?:<(?P<tag>answer|response|final|output)>(?P<in_tag>.*?)(?:</(?P=tag)>\s*)?"
    r"|<\|(?:start_response|begin_of_solution)\|>(?P<in_pipes>.*?)(?:<\|(?:end_response|end_of_solution)\|>\s*)?)\Z",
    re.DOTALL | re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"<\|(?:start|channel|message|end|return|call|(?:start|end)_response|(?:begin|end)_of_solution)\|>", re.I
)
"""Control tokens that are no thought's marks and belong to the same dresses."""


def without_thoughts(text: str, opened: bool = False) -> Said:
    """An answer and its thoughts, told apart; white space behind a thought belongs to it.

    Args:
        opened: the prompt has opened a thought already (`closing_of`), so the text begins within it.
    """
    if not opened and _CHANNEL.search(text):
        return _of_channels(text)
    answer: list[str] = []
    thoughts: list[str] = []
    start = at = 0
    closes = _CLOSE if opened else None  # of the thought that is open, which begins at `start`
    for mark in _MARK.finditer(text):
        if closes is None and _is_mention(text, mark):
            continue
        if closes is None and mark.lastindex is not None:
            answer.append(text[at : mark.start()])
            start, closes = mark.start(), _CLOSES[mark.lastindex - 1]
        elif closes is None:  # its opening is in the prompt or in the thought: what seemed the answer is thought
            start, at = at, _behind_space(text, mark.end())
            thoughts += [*answer, text[start:at]]
            answer.clear()
        elif closes.fullmatch(mark[0]):
            at, closes = _behind_space(text, mark.end()), None
            thoughts.append(text[start:at])
    if closes is not None:
        return Said(_bare("".join(answer)), "".join([*thoughts, text[start:]]), cut=True)
    return _in_words("".join([*answer, text[at:]]), "".join(thoughts))


def _in_words(answer: str, thoughts: str) -> Said:
    """An answer without the thoughts that have no marks."""
    found = _IN_WORDS.match(answer)
    if found is not None:
        answer, thoughts = answer[found.end() :], thoughts + found[0]
    return Said(_bare(answer) if thoughts else answer, thoughts, cut=found is not None and found["end"] == "")


def closing_of(prompt: str) -> str | None:
    """The mark that closes the thought in which a prompt ends, as those of some chat templates do; None in others."""
    found = next((match for match in _OPEN.finditer(prompt) if not prompt[match.end() :].strip()), None)
    if found is None:
        return None
    return _DRESSES[(found.lastindex or 1) - 1].closing or re.sub(r"\w", r"/\g<0>", found[0], count=1)


def is_mark(token: str) -> bool:
    """Whether a control token has a part in a thought's dress."""
    return any(pattern.fullmatch(token) for pattern in (_OPEN, _CLOSE, _BETWEEN, re.compile(r"<\|channel>|<unused94>")))


def without_marks(text: str) -> str:
    """The text without the control tokens of dresses that are no thought's marks."""
    return _BETWEEN.sub("", text)


def _of_channels(text: str) -> Said:
    """What messages of gpt-oss hold; text before the first of them is a thought too."""
    answer: list[str] = []
    thoughts: list[str] = []
    at, cut = 0, False
    for message in _CHANNEL.finditer(text):
        is_final = message["name"] == "final"
        thoughts += [text[at : message.start()], "" if is_final else message[0]]
        answer += [message["text"]] if is_final else []
        at, cut = message.end(), not is_final and not message["end"] and message.end() == len(text)
    return Said("".join(answer), "".join([*thoughts, text[at:]]), cut)


def _is_mention(text: str, mark: re.Match[str]) -> bool:
    """Whether a sentence speaks of a mark: quotes it, or has an opening one amid a line that does not close it."""
    before = text[max(0, mark.start() - _NEAR) : mark.start()].rpartition("\n")[2]
    behind = text[mark.end() : mark.end() + _NEAR].partition("\n")[0]
    if before.endswith(_QUOTES) and behind.startswith(_QUOTES):
        return True
    if mark.lastindex is not None:
        closing = _CLOSE.search(behind)
        is_open = closing is None or _CONNECTIVE.fullmatch(behind[: closing.start()]) is not None
        return is_open and _AMID_A_SENTENCE.search(before) is not None
    return any(_is_mention(text, opening) for opening in _OPEN.finditer(text, mark.start() - len(before), mark.start()))


def _behind_space(text: str, at: int) -> int:
    """The place behind the white space there."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _bare(answer: str) -> str:
    """The answer without the marks that its family puts around it."""
    around = _AROUND.match(answer)
    return answer if around is None else (around["in_tag"] or around["in_pipes"] or "")
