"""What a judge's answer decides: in lines, behind its reason, or in JSON. What is not plain decides nothing.

An answer decides where a label does ("Better: 1", a heading "Verdict", a key of JSON) and nothing in it says otherwise:
no other label, no sentence that the other one is better, nothing behind the verdict that may take it back.
"""

from __future__ import annotations

from summpo.synthesis.answer_parts import Unreadable, parts_in, text_of
from summpo.synthesis.choices import TIE as NEITHER
from summpo.synthesis.choices import choice_in, said_outright, stands
from summpo.synthesis.summary_texts import is_excuse
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

TIE = 0.5
_VALUES = {1: 1.0, 2: 0.0, NEITHER: TIE}
"""What a choice is worth to the first summary."""


def read_verdict(answer: Answer) -> float | Rejected:
    """1 where the first summary is said to be better, 0 where the second is, 0.5 for a tie.

    An answer that is cut off or withheld decides nothing, whatever stands in it; neither does one that contradicts
    itself.
    """
    try:
        text = text_of(answer)
    except Unreadable as why:
        return Rejected(why.reason, answer.text if answer.text.strip() else why.detail)
    found = verdict_in(text)
    if found is None:
        return Rejected("refusal" if is_excuse(text) else "no_verdict", answer.text)
    return found if isinstance(found, float) else Rejected("contradicts_itself", answer.text)


def verdict_in(text: str) -> float | bool | None:
    """What an answer decides: a value, False where it contradicts itself, None where it is nothing plain."""
    try:
        parts = parts_in(text)
    except Unreadable:
        return None
    at = [n for n, part in enumerate(parts) if part.kind == "best" and part.text.strip()]
    choices = [choice_in(parts[n].text) for n in at]
    if not choices or None in choices:
        return None
    decided = {chosen[0] for chosen in choices if chosen}
    behind = [chosen[1] for chosen in choices if chosen]
    behind += [f"{part.label} {part.text}" for part in parts[at[0] + 1 :] if part.kind != "best"]
    if len(decided) > 1 or said_outright(text) - decided:
        return False
    choice = decided.pop()
    return _VALUES[choice] if all(stands(choice, one) for one in behind) else False
