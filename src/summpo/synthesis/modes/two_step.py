"""Three requests: write two summaries, then judge them in either order; a verdict that the order changes is no verdict.

It takes apart what `self_judged` leaves together. Whether the longer summary is written first is drawn by the document,
the judge sees texts that it is not told to be its own, and each of them both first and second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from summpo.errors import require_number
from summpo.synthesis.answer_schemas import JudgedAnswer, Shape, WrittenAnswer, json_schema_of
from summpo.synthesis.answers import Verdict, read_verdict, read_written
from summpo.synthesis.modes import (
    INCONSISTENT,
    WORD_LIMITS,
    Limits,
    filler,
    longer_first,
    require_asking,
    require_json,
    require_shorter,
    require_words,
)
from summpo.synthesis.prompt_files import PromptFile, in_json, read_prompt
from summpo.synthesis.records import JudgedPair
from summpo.teacher.records import Answer, Request
from summpo.text.documents import Document, Rejected

WRITE, JUDGE = "write", ("judge_12", "judge_21")
"""The steps: the summaries as written; their judgement as they were written, and the other way round."""


@dataclass(frozen=True)
class TwoStep:
    """Written once, judged in both orders."""

    long_words: tuple[int, int] = (200, 500)
    """The fewest and the most words of the longer summary."""
    short_words: tuple[int, int] = (100, 300)
    """The fewest and the most words of the shorter."""
    explanation_words: int = 100
    """The most words of an explanation."""
    write_prompt: str = "two_step_write"
    """A prompt of summpo's (two_step_write, two_step_write_json), or the path of a text file of your own with the
    placeholders {document}, {first_low}, {first_high}, {second_low} and {second_high}."""
    judge_prompt: str = "two_step_judge"
    """A prompt of summpo's (two_step_judge, two_step_judge_json), or the path of a text file of your own with the
    placeholders {document}, {first}, {second} and, if you like, {explanation_words}."""
    json_object: bool = False
    """Have the endpoint answer with a JSON object, where it can; prompts of your own must ask for one."""
    json_schema: bool = False
    """Have it hold the answer to a JSON schema (response_format json_schema), where it can; asked for as JSON, labels
    are keys and in no language, whatever the document's. Prompts of your own must name the keys of two_step_write_json
    and two_step_judge_json."""
    max_tokens: int = 1536
    """Tokens of the two summaries, with thoughts, at most: an answer that is cut off is paid for and rejected."""
    judge_max_tokens: int = 768
    """Tokens of a verdict, with thoughts, at most."""
    temperature: float | None = 0.7
    """The writer's temperature: 0 takes the likeliest token each time, null leaves it out (some models take none, or 1
    alone)."""
    judge_temperature: float | None = 0.0
    """The judge's temperature; null leaves it out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "long_words", require_words("long_words", self.long_words))
        object.__setattr__(self, "short_words", require_words("short_words", self.short_words))
        require_shorter(self.long_words, self.short_words)
        require_number("mode.explanation_words", self.explanation_words, low=1)
        require_asking(
            {"max_tokens": self.max_tokens, "judge_max_tokens": self.judge_max_tokens},
            {"temperature": self.temperature, "judge_temperature": self.judge_temperature},
        )

    def prompts(self) -> Mapping[str, PromptFile]:
        """The prompt to write by and the prompt to judge by, read and checked."""
        names = [in_json(name, self.json_object or self.json_schema) for name in (self.write_prompt, self.judge_prompt)]
        write = read_prompt(names[0], "mode.write_prompt", ("document", *WORD_LIMITS))
        judge = read_prompt(names[1], "mode.judge_prompt", ("document", "first", "second"), ("explanation_words",))
        require_json(write, "write_prompt", self.json_object, self.json_schema)
        require_json(judge, "judge_prompt", self.json_object, self.json_schema)
        return {WRITE: write, "judge": judge}

    def tasks(self, documents: Iterable[Document]) -> Iterator[TwoStepTask]:
        """A task for each document."""
        prompts = self.prompts()
        return (TwoStepTask(document, self, prompts[WRITE], prompts["judge"]) for document in documents)

    def imagined(self, document: Document) -> Sequence[Request]:
        """The three requests, the summaries to judge as long as they may be."""
        prompts = self.prompts()
        task = TwoStepTask(document, self, prompts[WRITE], prompts["judge"])
        summaries = filler(self.long_words[1]), filler(self.short_words[1])
        return (task.write(), *(task.judge(step, summaries) for step in JUDGE))


@dataclass(frozen=True)
class TwoStepTask:
    """Two summaries of one document, judged in both orders."""

    document: Document
    mode: TwoStep
    write_prompt: PromptFile
    judge_prompt: PromptFile

    @property
    def id(self) -> str:
        """The document's."""
        return self.document.id

    def write(self) -> Request:
        """The question for two summaries."""
        longer, shorter = self.mode.long_words, self.mode.short_words
        limits = Limits(longer, shorter) if longer_first(self.document.id) else Limits(shorter, longer)
        text = self.write_prompt.filled({"document": self.document.text, **limits.placeholders()})
        return self._request(WRITE, text, self.mode.max_tokens, self.mode.temperature, WrittenAnswer)

    def judge(self, step: str, summaries: tuple[str, str]) -> Request:
        """The question which of the two is better, in the order of the step."""
        first, second = summaries if step == JUDGE[0] else reversed(summaries)
        values = {
            "document": self.document.text,
            "first": first,
            "second": second,
            "explanation_words": self.mode.explanation_words,
        }
        text = self.judge_prompt.filled(values)
        return self._request(step, text, self.mode.judge_max_tokens, self.mode.judge_temperature, JudgedAnswer)

    def _request(self, step: str, text: str, max_tokens: int, temperature: float | None, shape: type[Shape]) -> Request:
        schema = json_schema_of(shape) if self.mode.json_schema else ""
        return Request(self.id, step, (("user", text),), max_tokens, temperature, self.mode.json_object, schema)

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | JudgedPair | Rejected:
        """The next request, or the pair. One judgement is asked for after the other: none is paid for in vain."""
        if WRITE not in answers:
            return (self.write(),)
        written = read_written(answers[WRITE])
        if isinstance(written, Rejected):
            return _of_step(WRITE, written)
        verdicts: list[Verdict] = []
        for step in JUDGE:
            if step not in answers:
                return (self.judge(step, written.summaries),)
            verdict = read_verdict(answers[step])
            if isinstance(verdict, Rejected):
                return _of_step(step, verdict)
            verdicts.append(verdict)
        return self._outcome(written.summaries, verdicts[0], swapped(verdicts[1]))

    def _outcome(self, summaries: tuple[str, str], as_written: Verdict, swapped: Verdict) -> JudgedPair | Rejected:
        if as_written.best != swapped.best:
            place = "first" if as_written.best == 1 else "second"
            return Rejected(INCONSISTENT, f"the summary that was shown {place} won in both orders")
        chosen, rejected = (0, 1) if as_written.best == 1 else (1, 0)
        scores = [(one + other) / 2 for one, other in zip(as_written.scores, swapped.scores, strict=True)]
        return JudgedPair(
            document=self.document,
            chosen=summaries[chosen],
            rejected=summaries[rejected],
            score_chosen=scores[chosen],
            score_rejected=scores[rejected],
            first_is_chosen=chosen == 0,
            explanations=(as_written.explanations[chosen], as_written.explanations[rejected]),
        )


def swapped(verdict: Verdict) -> Verdict:
    """The verdict on two summaries that were shown the other way round, in the order in which they were written."""
    (one, other), (why_one, why_other) = verdict.scores, verdict.explanations
    return Verdict((other, one), (why_other, why_one), 3 - verdict.best)


def _of_step(step: str, rejected: Rejected) -> Rejected:
    return Rejected(rejected.reason, f"{step}: {rejected.detail}")
