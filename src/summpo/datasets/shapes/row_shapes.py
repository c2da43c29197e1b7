"""What a row of anybody's data holds, told by its columns: a document or what was asked, and the answers to it.

| what was asked | read as |
|---|---|
| document, and perhaps a ready prompt | a document |
| messages (conversations), prompt as messages | a conversation |
| prompt | a ready prompt; under system or history, or before answers that are messages: a conversation |
| instruction (question, query), input (context) | a conversation: history, then the one, an empty line, the other |

A column system goes before a conversation that has no system line. The answers are chosen and rejected, or one summary
(completion, output, response, answer), each text or a message. Where there is none, the last turn of messages is the
summary; chosen and rejected may be whole conversations, whose prompt is what they share.

A summary is labelled by label (kto_tag), or by score beside dataset.threshold.
"""

import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from summpo.datasets.shapes.conversations import (
    CONVERSATIONS,
    SPOKEN,
    earlier_turns,
    is_spoken,
    last_text,
    prompt_turns,
    shared_turns,
    split_last_turn,
    turns_after,
    turns_of,
    unread_keys,
)
from summpo.files.jsonl import SourceRow
from summpo.text.rows import Message

ANSWERS = ("summary", "completion", "output", "response", "answer")
QUESTIONS, INPUTS, SYSTEMS = ("instruction", "question", "query"), ("input", "context"), ("system", "system_prompt")
SCORES = {
    side: (f"score_{side}", f"{side}_score", f"rating_{side}", f"{side}_rating", f"{side}-rating")
    for side in ("chosen", "rejected")
}
LABELS = ("label", "kto_tag")
UNWANTED = (
    *("false", "f", "0", "-1", "no", "n", "bad", "worse", "undesirable", "undesired", "unwanted", "rejected", "reject"),
    *("negative", "dislike", "disliked", "thumbs_down", "down", "downvote", "incorrect", "wrong", "fail", "failed"),
)
WANTED = (
    *("true", "t", "1", "+1", "yes", "y", "good", "better", "desirable", "desired", "wanted", "chosen", "accepted"),
    *("accept", "positive", "like", "liked", "thumbs_up", "up", "upvote", "correct", "right", "pass", "passed"),
)
"""What a label says of an answer: not to be imitated, or to be."""
BESIDE = ("id", "reference", "references", "source", "score", *LABELS)
COLUMNS = (
    *("document", "prompt", "summary", "completion", "chosen", "rejected", *CONVERSATIONS, *SYSTEMS, "history"),
    *(*QUESTIONS, *INPUTS, *ANSWERS[2:], "score_chosen", "score_rejected", *BESIDE),
)
"""The columns that are read, by which `dataset.columns` names others."""
NAMED = 12
"""How many columns a sentence names."""


@dataclass(frozen=True)
class RowPrompt:
    """What the answers of a row answer."""

    document: str
    prompt: str | None = None
    """A ready prompt."""
    messages: tuple[Message, ...] | None = None
    """A conversation."""
    said: str | None = None
    """How the columns were read, where they are not summpo's own."""
    columns: tuple[str, ...] = ()
    """The columns that were read; of the row's answers, too."""


@dataclass(frozen=True)
class Given:
    """What was asked, where it is turns."""

    turns: list[Message]
    columns: tuple[str, ...]
    """The columns that say it, the one of the question first."""
    is_text: bool
    """Whether the question stands as text, not as messages."""


def pair_in(row: SourceRow) -> tuple[RowPrompt, str, str]:
    """What was asked, the chosen and the rejected answer.

    Raises:
        RowFault: a column is missing or holds something else.
    """
    sides = ("chosen", "rejected")
    if not is_spoken(row.value("chosen")):
        chosen, rejected = row.text("chosen"), row.text("rejected")
        return with_columns(asked_in(row, (chosen, rejected)), *sides), chosen, rejected
    better, worse = (turns_of(row, side) for side in sides)
    if len(better) == len(worse) == 1:
        chosen, rejected = last_text(row, better, "chosen"), last_text(row, worse, "rejected")
        return with_columns(asked_in(row, (chosen, rejected), is_said=True), *sides), chosen, rejected
    given = given_in(row, (better[-1].content, worse[-1].content))
    if given is not None and not given.is_text:
        better, worse = turns_after(given.turns, better), turns_after(given.turns, worse)
    before, chosen, rejected = shared_turns(row, better, worse)
    turns, columns = under_system(row, before)
    if given is not None and given.turns[-1] in before:
        columns = given.columns
    said = "chosen and rejected are read as conversations, the turns that they share as the prompt"
    return conversation(turns, said, (*columns, *sides)), chosen, rejected


def summary_in(row: SourceRow) -> tuple[RowPrompt, str]:
    """What was asked, and the answer to imitate.

    Raises:
        RowFault: a column is missing or holds something else.
    """
    column = next((name for name in ANSWERS if row.value(name) is not None), None)
    held = [name for name in CONVERSATIONS if row.value(name) is not None]
    talk = next((name for name in held if column is None or is_spoken(row.value(name))), None)
    if talk is not None and row.value("summary") is None:
        turns = turns_of(row, talk)
        if column is None or turns[-1].role == "assistant":
            before, answer = split_last_turn(row, turns, talk)
            turns, columns = under_system(row, before)
            said = f"{talk} is read as a conversation, its last turn as the summary"
            return conversation(turns, said, (talk, *columns)), answer
    if column is None:
        asked_in(row)
        raise row.fault(f"column summary is missing or null{other_names(row, 'summary')}")
    if not is_spoken(row.value(column)):
        answer = row.text(column)
        return with_columns(asked_in(row, (answer,)), column), answer
    answers = turns_of(row, column)
    if len(answers) == 1:
        answer = last_text(row, answers, column)
        return with_columns(asked_in(row, (answer,), is_said=True), column), answer
    given = given_in(row, (answers[-1].content,)) or Given([], (), False)
    before, answer = split_last_turn(row, turns_after(given.turns, answers), column)
    turns, columns = under_system(row, before)
    return conversation(turns, f"{column} is read as a conversation", (*given.columns, *columns, column)), answer


def asked_in(row: SourceRow, answers: Sequence[str] = (), is_said: bool = False) -> RowPrompt:
    """The document, or what else was asked.

    Args:
        is_said: the answers are messages: a prompt as text is then a turn, not a ready prompt.

    Raises:
        RowFault: there is nothing that was asked.
    """
    document, prompt = row.value("document"), row.value("prompt")
    if document not in (None, "") and not is_spoken(prompt):
        return RowPrompt(row.text("document"), row.optional_text("prompt") or None, columns=("document", "prompt"))
    given = given_in(row, answers)
    if given is None:
        if document is None and prompt is None:
            raise row.fault(f"columns document and prompt are both missing or null{other_names(row, 'document')}")
        text = row.text("prompt" if document is None else "document")
        return RowPrompt(text, text if document is None else None, columns=("document", "prompt"))
    if given.columns == ("prompt",) and given.is_text and not is_said:
        others = [name for name in ANSWERS[1:] if row.value(name) is not None]
        said = f"prompt is read as a ready prompt, {others[0]} as the summary" if others else None
        return RowPrompt(row.text("prompt"), row.text("prompt"), said=said, columns=("prompt",))
    are = "is" if len(given.columns) == 1 else "are"
    said = f"{', '.join(given.columns)} {are} read as a conversation"
    asks = conversation(prompt_turns(row, given.turns, given.columns[0]), said, given.columns)
    return replace(asks, document=row.text("document"), columns=(*asks.columns, "document")) if document else asks


def given_in(row: SourceRow, answers: Sequence[str] = ()) -> Given | None:
    """What was asked, in columns that are turns or can be; None where there are none.

    Messages that end with one of the answers are what was before it.

    Raises:
        RowFault: a column holds something else.
    """
    prompt = row.value("prompt")
    talks = [name for name in CONVERSATIONS if is_spoken(row.value(name))]
    for talk in talks:
        turns = turns_of(row, talk)
        if turns[-1].role == "user" and prompt in (None, "", turns[-1].content):
            return _given(row, turns, (talk,), is_text=False)
    if is_spoken(prompt):
        return _given(row, turns_of(row, "prompt"), ("prompt",), is_text=False)
    question, columns = question_in(row)
    if question is not None:
        earlier = earlier_turns(row)
        names = (*columns, "history") if earlier else columns
        return _given(row, [*earlier, Message("user", question)], names, is_text=True)
    for talk in talks:
        turns = turns_of(row, talk)
        return _given(row, turns[:-1] if turns[-1].content in answers else turns, (talk,), is_text=False)
    return None


def _given(row: SourceRow, turns: list[Message], columns: tuple[str, ...], is_text: bool) -> Given:
    turns, system = under_system(row, turns)
    return Given(turns, (*columns, *system), is_text)


def question_in(row: SourceRow) -> tuple[str | None, tuple[str, ...]]:
    """What the user asks as text, and its columns: a prompt, or an instruction with its input; or None."""
    if row.value("prompt") not in (None, ""):
        return row.text("prompt"), ("prompt",)
    held = [[name for name in names if row.optional_text(name) is not None] for names in (QUESTIONS, INPUTS)]
    columns = tuple(name for names in held for name in [n for n in names if row.text(n).strip()][:1])
    if not columns:  # nothing is asked, or an empty question
        return ("" if any(held) else None), tuple(name for names in held for name in names)
    return "\n\n".join(map(row.text, columns)), columns


def under_system(row: SourceRow, turns: list[Message]) -> tuple[list[Message], tuple[str, ...]]:
    """The turns under the row's system line, and its column, where it has one and they begin with none of their own."""
    name = next((name for name in SYSTEMS if (row.optional_text(name) or "").strip()), None)
    if name is None or (turns and turns[0].role == "system"):
        return turns, ()
    return [Message("system", row.text(name)), *turns], (name,)


def conversation(turns: Sequence[Message], said: str, columns: Sequence[str]) -> RowPrompt:
    """What a conversation asks; its document is all that was said but the system line, blank without a question."""
    spoken = [turn.content for turn in turns if turn.role != "system"] if turns[-1].content.strip() else []
    return RowPrompt("\n\n".join(spoken), messages=tuple(turns), said=said, columns=tuple(columns))


def with_columns(asks: RowPrompt, *columns: str) -> RowPrompt:
    """The same, read from more columns."""
    return replace(asks, columns=(*asks.columns, *columns))


def other_names(row: SourceRow, column: str) -> str:
    """What there is in place of a column that is not, and what to do about it."""
    there = [*map(str, row.columns)]
    more = f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
    advice = f"dataset.columns={{{column}: ...}} reads another"
    return f", got {', '.join(there[:NAMED])}{more}; {advice}{row.layout(column)}"


def unread(row: SourceRow, read: set[str]) -> list[str]:
    """The columns, and the keys of messages, that hold something and were not read."""
    known = {*read, *BESIDE, *SCORES["chosen"], *SCORES["rejected"]}
    others = [str(name) for name, value in row.columns.items() if name not in known and value not in (None, "", [], {})]
    return others + [f"{name}.{key}" for name in SPOKEN if name in read for key in unread_keys(row.value(name))]


def reading_lines(path: str, rows: Iterable[tuple[str | None, Sequence[str]]]) -> list[str]:
    """A sentence for each way in which rows were read: how, and which of their columns were not."""
    found: dict[str | None, dict[str, None]] = {}
    for said, names in rows:
        found.setdefault(said, {}).update(dict.fromkeys(names))
    sentences = []
    for said, names in found.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        rest = f"not read: {', '.join([*names][:NAMED])}{more}" if names else None
        if said or rest:
            sentences.append(f"{path}: {'; '.join(filter(None, (said, rest)))}")
    return sentences


def score_of(row: SourceRow, side: str) -> float | None:
    """The score of the chosen or the rejected answer, under any of its names."""
    column = next((name for name in SCORES[side] if row.value(name) is not None), f"score_{side}")
    return row.optional_number(column)


def references_in(row: SourceRow) -> tuple[str, ...]:
    """The distinct references that a row names; blank ones are none."""
    reference = row.optional_text("reference")
    references = [] if row.value("references") in (None, [], "") else row.texts("references")
    return tuple(dict.fromkeys(filter(str.strip, [*([] if reference is None else [reference]), *references])))


def label_in(row: SourceRow, threshold: float | None) -> bool:
    """Whether a row's summary is labelled as good; with a threshold, whether its score is at least that.

    Raises:
        RowFault: there is no label, or none to make one of, or it says something else.
    """
    if threshold is not None:
        score = row.optional_number("score")
        if score is None:
            raise row.fault("column score is missing or null (dataset.threshold makes labels of scores)")
        return score >= threshold
    name = next((name for name in LABELS if row.value(name) is not None), None)
    if name is None:
        raise row.fault("column label is missing or null (dataset.threshold makes labels of scores)")
    return _is_wanted(row, name)


def is_unwanted(row: SourceRow) -> bool:
    """Whether a row is labelled as one not to imitate.

    Raises:
        RowFault: a label says neither that nor the opposite.
    """
    return False in [_is_wanted(row, name) for name in LABELS if row.value(name) not in (None, "")]


def _is_wanted(row: SourceRow, column: str) -> bool:
    said = row.value(column)
    label = re.sub(r"[\s-]+(?=[a-z])", "_", str(said).strip().lower().removesuffix(".0"))
    if label not in (*WANTED, *UNWANTED):
        skips = f"dataset.columns={{{column}: null}} leaves it unread"
        raise row.fault(f"column {column} says neither good nor bad, got {reprlib.repr(said)}; {skips}")
    return label in WANTED
