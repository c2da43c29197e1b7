"""From an answer in lines to its labelled parts."""

from __future__ import annotations

import re

from summpo.synthesis.parsing.labels import Label, label_of
from summpo.synthesis.parsing.marks import usual
from summpo.synthesis.parsing.parts import Kind, Part
from summpo.synthesis.parsing.tables import table_at

_TAG = re.compile(r"</?(?:b|strong|i|em|u|p|div|span|h[1-6]|br\s?/?)>", re.IGNORECASE)
_CLOSING = re.compile(rf"\A\s*(?:{_TAG.pattern})", re.IGNORECASE)


def parts_of_lines(text: str) -> list[Part]:
    """The parts of a text in their order; what stands before the first label is none."""
    lines, plain_lines = text.split("\n"), usual(text).split("\n")
    labels = [label_of(without_tags(line)) for line in plain_lines]
    parts: list[Part] = []
    label: Label | None = None
    content: list[str] = []

    def finish() -> None:
        if label is not None:
            parts.append(Part(label.kind, label.number, "\n".join(content), label.name))

    at = 0
    while at < len(lines):
        table = table_at(plain_lines, at)
        here = labels[at]
        if table is not None:
            finish()
            label, content = None, []
            parts += table.parts
            at = table.end
            continue
        within = None if label is None else label.kind
        if here is not None and not (here.may_head and _is_text(here, within, labels, plain_lines, at)):
            finish()
            label, content = here, [_CLOSING.sub("", lines[at][here.end :])]
        else:
            content.append(lines[at])
        at += 1
    finish()
    return parts


def without_tags(line: str) -> str:
    """A line with blanks for HTML's tags of form, as long as before."""
    return _TAG.sub(lambda tag: " " * len(tag[0]), line) if "<" in line else line


def _is_text(label: Label, within: Kind | None, labels: list[Label | None], lines: list[str], at: int) -> bool:
    """Whether a line that may be a summary's own heading is one.

    Rationale is, in a summary; Evaluation is, where no label and no table of scores follows.
    """
    if label.kind == "explanation":
        return within in ("summary", "best", None)
    following = next((n for n in range(at + 1, len(lines)) if lines[n].strip()), None)
    return following is not None and labels[following] is None and table_at(lines, following) is None
