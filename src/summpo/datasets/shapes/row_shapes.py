"""What a row of anybody's data holds, told by its columns: a document or what was asked, and the answers to it.

| columns | read as |
|---|---|
| document (or a ready prompt), summary | a summary |
| document (or a ready prompt), chosen, rejected | a pair |
| a summary with label, or with score beside dataset.threshold | a labelled summary |
| prompt, completion | a summary under a ready prompt; lists of messages: a conversation |
| messages (conversations) | a conversation; its last turn is the summary |
| instruction, input, output | a conversation of one turn: the instruction, an empty line, the input |
| chosen, rejected (and prompt) as messages | a pair; the turns that both share are the conversation before it |
| instruction or question (and system), chosen, rejected | a pair under a conversation of one turn |
"""

from collections.abc import Sequence
from dataclasses import dataclass

from summpo.datasets.shapes.conversations import answered, asked, parted, turns_of, user_text, with_system
from summpo.files.jsonl import SourceRow
from summpo.text.rows import Message

COLUMNS = (
    *("document", "prompt", "summary", "completion", "chosen", "rejected", "messages", "system", "instruction"),
    *(
        "input",
        "output",
        "question",
        "id",
        "reference",
        "references",
        "score_chosen",
        "score_rejected",
        "source",
        "label",
        "score",
    ),
)
"""The columns that are read, by which `dataset.columns` names others."""
SCORES = {
    side: (f"score_{side}", f"{side}_score", f"rating_{side}", f"{side}_rating", f"{side}-rating")
    for side in ("chosen", "rejected")
}


@dataclass(frozen=True)
class Asked:
    """What the answers of a row answer."""

    document: str
    prompt: str | None = None
    """A ready prompt."""
    messages: tuple[Message, ...] | None = None
    """A conversation."""
    said: str | None = None
    """How the columns were read, where they are not summpo's own."""


def pair_in(row: SourceRow) -> tuple[Asked, str, str]:
    """What was asked, the chosen and the rejected answer.

    Raises:
        RowFault: a column is missing or holds something else.
    """
    if isinstance(row.value("chosen"), list):
        before, chosen, rejected = parted(row)
        return (
            conversation(
                before, "chosen and rejected are read as conversations, the turns that they share as the prompt"
            ),
            chosen,
            rejected,
        )
    return asked_in(row), row.text("chosen"), row.text("rejected")


def summary_in(row: SourceRow) -> tuple[Asked, str]:
    """What was asked, and the answer to imitate.

    Raises:
        RowFault: a column is missing or holds something else.
    """
    for column in ("messages", "conversations"):
        if row.value(column) is not None and row.value("summary") is None:
            before, answer = answered(row, turns_of(row, column), column)
            return conversation(
                with_system(row, before), f"{column} is read as a conversation, its last turn as the summary"
            ), answer
    if isinstance(row.value("completion"), list):
        prompt = turns_of(row, "prompt") if isinstance(row.value("prompt"), list) else None
        answers = turns_of(row, "completion")
        turns = [*(prompt or [Message("user", row.text("prompt"))]), *answers]
        before, answer = answered(row, turns, "completion")
        return conversation(before, "prompt and completion are read as a conversation"), answer
    column = next((name for name in ("summary", "completion", "output") if row.value(name) is not None), "summary")
    return asked_in(row), row.text(column)


def conversation(turns: Sequence[Message], said: str) -> Asked:
    """What a conversation asks; its document is all that was said but the system line, blank without a question."""
    spoken = [turn.content for turn in turns if turn.role != "system"] if turns[-1].content.strip() else []
    return Asked("\n\n".join(spoken), messages=tuple(turns), said=said)


def asked_in(row: SourceRow) -> Asked:
    """The document, or the prompt where there is no document; else what stands in columns of an instruction.

    Raises:
        RowFault: there is none of them.
    """
    document, prompt = row.value("document"), row.value("prompt")
    if document in (None, "") and isinstance(prompt, list):
        turns = asked(row, turns_of(row, "prompt"), "prompt")
        return conversation(with_system(row, turns), "prompt is read as a conversation")
    if document is not None and (document or not prompt):
        return Asked(row.text("document"), row.optional_text("prompt") or None)
    if prompt is not None and row.optional_text("system"):
        turns = with_system(row, [Message("user", row.text("prompt"))])
        return conversation(turns, "system and prompt are read as a conversation")
    if prompt is not None:
        said = (
            "prompt is read as a ready prompt, completion as the summary"
            if row.value("completion") is not None
            else None
        )
        return Asked(row.text("prompt"), row.text("prompt"), said=said)
    text = user_text(row)
    if text is None:
        names = ", ".join(map(str, row.columns))
        other = "dataset.columns={document: ...} reads another"
        raise row.fault(f"columns document and prompt are both missing or null, got {names}; {other}")
    return conversation(
        with_system(row, [Message("user", text)]), "the instruction (and its input) is read as a turn of the user"
    )


def score_of(row: SourceRow, side: str) -> float | None:
    """The score of the chosen or the rejected answer, under any of its names."""
    column = next((name for name in SCORES[side] if row.value(name) is not None), f"score_{side}")
    return row.optional_number(column)


def references_in(row: SourceRow) -> tuple[str, ...]:
    """The distinct references that a row names; blank ones are none."""
    reference = row.optional_text("reference")
    references = [] if row.value("references") in (None, [], "") else row.texts("references")
    return tuple(dict.fromkeys(filter(str.strip, [*([] if reference is None else [reference]), *references])))


LABELS = {"true": True, "1": True, "false": False, "0": False, "-1": False}
"""What a label may say, of numbers without `.0`."""


def label_in(row: SourceRow, threshold: float | None) -> bool:
    """Whether a row's summary is labelled as good, or scored at least `threshold`.

    Raises:
        RowFault: there is neither, or the label says something else.
    """
    score = row.optional_number("score")
    if threshold is not None and score is not None:
        return score >= threshold
    label = row.value("label")
    if label is None:
        hint = "dataset.threshold makes labels of scores" if threshold is None else "and so is score"
        raise row.fault(f"column label is missing or null ({hint})")
    told = str(label).strip().lower().removesuffix(".0")
    if told not in LABELS:
        raise row.fault(f"column label must be true or false, 1 or 0, got {label!r}")
    return LABELS[told]


def is_unwanted(row: SourceRow) -> bool:
    """Whether a row is labelled as one not to imitate (label false, 0 or -1)."""
    return LABELS.get(str(row.value("label")).strip().lower().removesuffix(".0")) is False
