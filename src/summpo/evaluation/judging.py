"""Which of two summaries a judge prefers: the questions to it, and what its answers come to. It sends nothing.

A judge favours what stands first, or second, more than it knows. So the order is drawn for each document, or both
orders are asked; a judge that changes its mind with the order has not told the two apart, and that is a tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from summpo.evaluation.verdicts import TIE, read_verdict
from summpo.synthesis.answer_schemas import BetterAnswer, json_schema_of
from summpo.synthesis.prompt_files import PromptFile
from summpo.teacher.records import Answer, Request
from summpo.text.documents import Rejected

PLACEHOLDERS = ("document", "first", "second")


@dataclass(frozen=True)
class Judgement:
    """What a judge said of two summaries, A and B, of one document."""

    a_wins: float
    """1 where A wins, 0 where B does, 0.5 for a tie."""
    first_wins: tuple[float, ...]
    """For each order asked: 1 where the summary that stood first won, 0 where the second did, 0.5 for a tie."""
    orders: tuple[str, ...]
    """ab where A stood first, ba where B did."""
    answers: tuple[str, ...]
    """The judge's answer in each order, as it came."""


@dataclass(frozen=True)
class JudgeTask:
    """A task for a judge: A against B."""

    id: str
    document: str
    a: str
    b: str
    prompt: PromptFile
    both_orders: bool
    seed: int
    """Seed of the drawn order."""
    max_tokens: int
    temperature: float | None = 0.0
    json_schema: bool = False
    """Hold the answer to a JSON schema."""

    def orders(self) -> tuple[str, ...]:
        """ab, ba, or both; the drawn one depends on the seed and the id alone."""
        if self.both_orders:
            return ("ab", "ba")
        return ("ba" if sha256(f"{self.seed}/{self.id}".encode()).digest()[0] % 2 else "ab",)

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | Judgement | Rejected:
        """The questions that have no answer yet, or what the answers come to."""
        missing = [order for order in self.orders() if order not in answers]
        if missing:
            return [self._request(order) for order in missing]
        first_wins = []
        for order in self.orders():
            read = read_verdict(answers[order])
            if isinstance(read, Rejected):
                return read
            first_wins.append(read)
        a_wins = [won if order == "ab" else 1 - won for order, won in zip(self.orders(), first_wins, strict=True)]
        return Judgement(
            a_wins=a_wins[0] if len(set(a_wins)) == 1 else TIE,
            first_wins=tuple(first_wins),
            orders=self.orders(),
            answers=tuple(answers[order].text for order in self.orders()),
        )

    def _request(self, order: str) -> Request:
        first, second = (self.a, self.b) if order == "ab" else (self.b, self.a)
        text = self.prompt.filled({"document": self.document, "first": first, "second": second})
        return Request(
            task=self.id,
            step=order,
            messages=(("user", text),),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            json_schema=json_schema_of(BetterAnswer) if self.json_schema else "",
        )
