"""What a model thinks aloud before it answers, told from its answer. Text in, text out.

A thought stands between two marks, and each family has its own: <think>, [THINK], the channels of gpt-oss. A mark that
a sentence speaks of ("the tag <think> opens it") is text. A closing mark alone ends the thought that the prompt has
opened; or one that nothing has, where it stands so that what is before it cannot be the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix


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
_BEGUN = re.compile(rf"\s*\w*:?\s*(?:{_OPEN.pattern})", re.IGNORECASE)
"""An assistant's turn that begins with a thought, behind the name of its role in some templates."""
_CLOSES = tuple(re.compile(dress.close, re.IGNORECASE) for dress in _DRESSES)
_CLOSE = re.compile("|".join(dress.close for dress in _DRESSES), re.IGNORECASE)
_MARK = re.compile(f"{_OPEN.pattern}|{_CLOSE.pattern}", re.IGNORECASE)
"""Any mark, an opening one with the number of its dress as its last group."""
_AMID_A_SENTENCE = re.compile(r"(?:[\w,;:][ \t]+|[(\[{\u2018\u201c\u00ab]|[\u3040-\u30ff\u3400-\u9fff\uff0c\u3001])\Z")
_GOES_ON = re.compile(r"[ \t]+(?P<next>\S)|(?P<glued>[^\s\x00-\x7f])|[.!?]")
_CONNECTIVE = re.compile(r"\s*(?:and|or|to|,|/|&|\.{3}|\u2026)?\s*", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[,;:)\]]|[.!?](?:\s|\Z)")
_QUOTES = ("'", '"', "`", "*", "\u2019", "\u201c", "\u201d")
_SPACE = re.compile(r"\s*")
_NEAR = 500
"""Characters of a line on either side of a mark that tell whether a sentence speaks of it."""
_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant)?(?:<\|channel\|>\s*(?P<name>\w*)|\s*to=(?P<to>\w+)(?=<\|message\|>))"
    r"(?:(?!<\|message\|>).)*(?:<\|message\|>|\Z)(?P<text>.*?)"
    r"(?P<end><\|(?:end|return|call|eom|eot)\|>\s*|(?=<\|start\|>|<\|channel\|>)|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss, or of a family that says to whom it speaks: that of the channel "final", or to the user."""
_HAS_CHANNELS = re.compile(
    r"\A\s*(?:<\|start\|>assistant)?(?:<\|channel\|>|\s*to=\w+<\|message\|>)"
    r"|<\|channel\|>\s*(?:analysis|commentary|final)\b[^\n]*?<\|message\|>"
)
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


def without_thoughts(text: str, opened: bool | None = None) -> Said:
    """An answer and its thoughts, told apart; white space behind a thought belongs to it.

    Args:
        opened: whether the prompt has opened a thought already (`closing_of`), so that the text begins within it; None
            where the prompt is not known, as an endpoint's is not. Where it is known to be open or not, a closing mark
            that nothing has opened is taken for one only where text follows it and no sentence runs up to it.
    """
    if not opened and _HAS_CHANNELS.search(text):
        return _of_channels(text)
    is_known = opened is not None
    answer: list[str] = []
    thoughts: list[str] = []
    start = at = 0
    closes = _CLOSE if opened else None  # of the thought that is open, which begins at `start`
    for mark in _MARK.finditer(text):
        if closes is None and _is_mention(text, mark, is_known):
            continue
        if closes is None and mark.lastindex is not None:
            answer.append(text[at : mark.start()])
            start, closes = mark.start(), _CLOSES[mark.lastindex - 1]
        elif closes is None and is_known and not text[mark.end() :].strip():  # all that was said stands before it
            answer.append(text[at : mark.start()])
            at = len(text)
        elif closes is None:  # its opening is in the prompt or in the thought: what seemed the answer is thought
            start, at = at, _behind_space(text, mark.end())
            thoughts += [*answer, text[start:at]]
            answer.clear()
        elif closes.fullmatch(mark[0]) and not _is_thought_of(text, mark, closes):
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


def closing_of(turn: str) -> str | None:
    """The mark that closes the thought in which an assistant's turn stands; None where it stands in none.

    Args:
        turn: what is there of it, or more before that: then a thought is seen that opens at the very end.
    """
    found = _opening(turn)
    if found is None:
        return None
    return _DRESSES[(found.lastindex or 1) - 1].closing or re.sub(
        r"\w", r"/\g<0>", found[found.lastindex or 0], count=1
    )


def opening_of(turn: str) -> str:
    """That thought from its opening mark on; empty where there is none."""
    found = _opening(turn)
    return "" if found is None else turn[found.start(found.lastindex or 0) :]


def empty_thought(closing: str) -> str:
    """What follows an opening mark where nothing is thought."""
    return f"\n{closing}\n\n"


def ends_a_thought(turn: str) -> bool:
    """Whether an assistant's turn stands behind a thought that it holds, and says nothing yet."""
    *_, last = _CLOSE.split(turn)
    return last != turn and not last.strip()


def around_own_thought(before: str, text: str, opened: str = "") -> tuple[str, str, str, str]:
    """What is put before an answer's own thought, the thought, what is put behind it, and the rest of the answer.

    Its thought takes the place of the empty one, in the template's white space, or goes on with the one that is open.
    An answer without one has an empty thought, with nothing behind it.

    Args:
        before: what is put before an answer that does not think; with an empty thought, or the end of one, in it.
        opened: what the prompt has of an open thought, from its opening mark on.
    """
    close, start = _CLOSE.search(before), len(text) - len(text.lstrip())
    thoughts = without_thoughts(text[start:], opened=False).thoughts if close else ""
    first = commonprefix([text[start:], thoughts])  # noqa: RUF071 - of texts: those amid the answer are left out
    if close is None or close[0] not in first:
        return before, "", "", text
    place = start + first.rindex(close[0])
    thought, answer = text[:place], text[place + len(close[0]) :]
    own = _OPEN.match(thought, start)
    thought = thought[own.end() :] if own else thought
    empty = _OPEN.search(before, 0, close.start())
    if empty is None:
        return "", thought.lstrip() if own and opened[-1:].isspace() else thought, close[0], answer
    middle = (empty.end() + close.start()) // 2
    return before[:middle], thought.strip("\n"), before[middle:], answer.lstrip("\n")


def own_part(prompt: str, control: Sequence[str]) -> str:
    """What a prompt has of the assistant's turn: all behind its last control token that is no mark of a thought."""
    ends = [prompt.rfind(token) + len(token) for token in control if token in prompt and not is_thought_mark(token)]
    return prompt[max(ends, default=0) :]


def _opening(turn: str) -> re.Match[str] | None:
    """The mark that opens the thought in which an assistant's turn stands."""
    at_end = next((match for match in _OPEN.finditer(turn) if not turn[match.end() :].strip()), None)
    found = at_end or _BEGUN.match(turn)
    return None if found is None or _CLOSES[(found.lastindex or 1) - 1].search(turn, found.end()) else found


def is_mark(token: str) -> bool:
    """Whether a control token has a part in a thought's dress."""
    return is_thought_mark(token) or _BETWEEN.fullmatch(token) is not None


def is_thought_mark(token: str) -> bool:
    """Whether a control token opens or closes a thought."""
    return _MARK.fullmatch(token) is not None or token in ("<|channel>", "<unused94>")


def without_marks(text: str) -> str:
    """The text without the control tokens of dresses that are no thought's marks."""
    return _BETWEEN.sub("", text)


def _of_channels(text: str) -> Said:
    """What such messages hold; text before the first of them is a thought too."""
    answer: list[str] = []
    thoughts: list[str] = []
    at, cut = 0, False
    for message in _CHANNEL.finditer(text):
        is_final = message["name"] == "final" or message["to"] == "user"
        thoughts += [text[at : message.start()], "" if is_final else message[0]]
        answer += [message["text"]] if is_final else []
        at, cut = message.end(), not is_final and not message["end"] and message.end() == len(text)
    return Said("".join(answer), "".join([*thoughts, text[at:]]), cut)


def _is_mention(text: str, mark: re.Match[str], is_known: bool) -> bool:
    """Whether a sentence speaks of a mark: quotes it, has a comma behind it, or has it amid a line and goes on.

    Args:
        is_known: a closing mark that nothing has opened need not be one: a sentence that runs up to it is enough.
    """
    before = text[max(0, mark.start() - _NEAR) : mark.start()].rpartition("\n")[2]
    behind = text[mark.end() : mark.end() + _NEAR].partition("\n")[0]
    if _PUNCTUATION.match(behind) or (before.endswith(_QUOTES) and behind.startswith(_QUOTES)):
        return True
    is_amid = _AMID_A_SENTENCE.search(before) is not None
    if mark.lastindex is not None:
        closing = _CLOSE.search(behind)
        is_open = closing is None or _CONNECTIVE.fullmatch(behind[: closing.start()]) is not None
        return (
            is_amid
            and not before.rstrip().endswith(":")
            and (is_open or (closing is not None and _goes_on(behind[closing.end() :])))
        )
    is_first = is_known and not before.strip()
    if (is_amid and is_known) or ((is_amid or is_first) and _goes_on(behind)):
        return True
    openings = _OPEN.finditer(text, mark.start() - len(before), mark.start())
    return any(_is_mention(text, opening, is_known) for opening in openings)


def _goes_on(behind: str) -> bool:
    """Whether a sentence goes on behind a mark: with a small letter, or what ends a part of it."""
    found = _GOES_ON.match(behind)
    return found is not None and not (found["next"] or "").isupper()


def _is_thought_of(text: str, mark: re.Match[str], closes: re.Pattern[str]) -> bool:
    """Whether a thought speaks of its own closing mark, and ends with a later one, before another thought opens."""
    if not _is_mention(text, mark, is_known=False):
        return False
    for later in _MARK.finditer(text, mark.end()):
        if not _is_mention(text, later, is_known=False):
            return later.lastindex is None and closes.fullmatch(later[0]) is not None
    return False


def _behind_space(text: str, at: int) -> int:
    """The place behind the white space there."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _bare(answer: str) -> str:
    """The answer without the marks that its family puts around it."""
    around = _AROUND.match(answer)
    return answer if around is None else (around["in_tag"] or around["in_pipes"] or "")
