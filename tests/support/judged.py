"""Judged pairs for tests of what is made of them."""

from summpo.synthesis.records import JudgedPair
from summpo.text.documents import Document


def pair_of(
    name: str, chosen_words: int = 6, rejected_words: int = 3, first: bool = True, source: str = "towns"
) -> JudgedPair:
    """A pair whose chosen summary scores 16 and whose rejected one 12."""
    return JudgedPair(
        document=Document(
            name, source, f"A document {name}.\n\nOf \u201ctwo\u201d paragraphs {{and}} \u2028 line ends."
        ),
        chosen=f"{name} is better" + " so" * (chosen_words - 3),
        rejected=f"{name} is worse" + " so" * (rejected_words - 3),
        score_chosen=16,
        score_rejected=12.5,
        first_is_chosen=first,
        explanations=("Good.", ""),
    )


def pairs_of(count: int) -> list[JudgedPair]:
    return [pair_of(f"document-{n}", first=n % 2 == 0) for n in range(count)]
