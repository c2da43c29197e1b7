"""Answers with ratings, as pairs and as summaries: what data sets share that rate each answer by itself."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from summpo.text.rows import PairRow, SummaryRow

RatedSftOn = Literal["chosen", "both", "rated"]
RATED_SFT_ON: tuple[RatedSftOn, ...] = ("chosen", "both", "rated")


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """One answer to a prompt, and what it was rated."""

    group: str
    """Which answers compete: those to one prompt."""
    document: str
    """The prompt."""
    text: str
    rating: float
    source: str | None
    place: str


def by_prompt(answers: Sequence[RatedAnswer]) -> dict[str, list[RatedAnswer]]:
    """The answers of each group, in the order of their first."""
    groups: dict[str, list[RatedAnswer]] = {}
    for answer in answers:
        groups.setdefault(answer.group, []).append(answer)
    return groups


def rated_pairs(answers: Sequence[RatedAnswer]) -> list[PairRow]:
    """Every two answers to one prompt whose ratings differ, the better one chosen; ratings become scores.

    A `PairRow.id` is "<group>/<place of the chosen>-<place of the rejected>".
    """
    pairs: list[PairRow] = []
    for group, own in by_prompt(answers).items():
        for (better, chosen), (worse, rejected) in itertools.permutations(enumerate(own), 2):
            if chosen.rating > rejected.rating:
                pairs.append(
                    PairRow(
                        id=f"{group}/{better}-{worse}",
                        document=chosen.document,
                        chosen=chosen.text,
                        rejected=rejected.text,
                        score_chosen=chosen.rating,
                        score_rejected=rejected.rating,
                        source=chosen.source,
                        place=chosen.place,
                    )
                )
    return pairs


def rated_summaries(answers: Sequence[RatedAnswer]) -> list[SummaryRow]:
    """Every rated answer as one to imitate, each (prompt, answer) once; the best of a prompt are its references."""
    rows: dict[tuple[str, str], SummaryRow] = {}
    for group, own in by_prompt(answers).items():
        best = max(answer.rating for answer in own)
        references = tuple(dict.fromkeys(each.text for each in own if each.rating == best and each.text.strip()))
        for place, each in enumerate(own):
            row = SummaryRow(f"{group}/{place}", each.document, each.text, references, place=each.place)
            rows.setdefault((each.document, each.text), row)
    return list(rows.values())
