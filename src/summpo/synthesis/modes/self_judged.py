"""One request: the teacher writes a longer and then a shorter summary, scores both and says which is better.

As the author of Qwen2-1.5B-Summarize did it. Two things go together in its pairs and cannot be told apart: the first
summary is always the longer, and the judge knows both for its own. `two_step` takes them apart, and has the
teacher read each document three times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from summpo.errors import require_number
from summpo.synthesis.answer_schemas import SelfJudgedAnswer, json_schema_of
from summpo.synthesis.answers import read_judged
from summpo.synthesis.modes import (
    WORD_LIMITS,
    Limits,
    require_asking,
    require_json,
    require_shorter,
    require_words,
)
from summpo.synthesis.prompt_files import PromptFile, in_json, read_prompt
from summpo.synthesis.records import JudgedPair
from summpo.teacher.records import Answer, Request
from summpo.text.documents import Document, Rejected

STEP = "write_and_judge"


@dataclass(frozen=True)
class SelfJudged:
    """The writer judges itself, in one fixed order."""

    long_words: tuple[int, int] = (200, 500)
    """The fewest and the most words of the first summary, which is the longer."""
    short_words: tuple[int, int] = (100, 300)
    """The fewest and the most words of the second."""
    explanation_words: int = 100
    """The most words of an explanation."""
    prompt: str = "self_judged"
    """A prompt of summpo's (self_judged, self_judged_json), or the path of a text file of your own with the
    placeholders {document}, {first_low}, {first_high}, {second_low}, {second_high} and, if you like,
    {explanation_words}."""
    json_object: bool = False
    """Have the endpoint answer with a JSON object, where it can; a prompt of your own must ask for one."""
    json_schema: bool = False
    """Have it hold the answer to a JSON schema (response_format json_schema), where it can; asked for as JSON, labels
    are keys and in no language, whatever the document's. A prompt of your own must name the keys of
    self_judged_json."""
    max_tokens: int = 2048
    """Tokens of an answer with its thoughts, at most: one that is cut off is paid for and rejected."""
    temperature: float | None = 0.7
    """The teacher's temperature: 0 takes the likeliest token each time, null leaves it out (some models take none, or 1
    alone)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "long_words", require_words("long_words", self.long_words))
        object.__setattr__(self, "short_words", require_words("short_words", self.short_words))
        require_shorter(self.long_words, self.short_words)
        require_number("mode.explanation_words", self.explanation_words, low=1)
        require_asking({"max_tokens": self.max_tokens}, {"temperature": self.temperature})

    def prompts(self) -> Mapping[str, PromptFile]:
        """The one prompt, read and checked."""
        name = in_json(self.prompt, self.json_object or self.json_schema)
        prompt = read_prompt(name, "mode.prompt", ("document", *WORD_LIMITS), ("explanation_words",))
        require_json(prompt, "prompt", self.json_object, self.json_schema)
        return {STEP: prompt}

    def tasks(self, documents: Iterable[Document]) -> Iterator[SelfJudgedTask]:
        """A task for each document."""
        prompt = self.prompts()[STEP]
        return (SelfJudgedTask(document, self, prompt) for document in documents)

    def imagined(self, document: Document) -> Sequence[Request]:
        """The one request."""
        return (SelfJudgedTask(document, self, self.prompts()[STEP]).request(),)


@dataclass(frozen=True)
class SelfJudgedTask:
    """Two summaries of one document, judged by their writer."""

    document: Document
    mode: SelfJudged
    prompt: PromptFile

    @property
    def id(self) -> str:
        """The document's."""
        return self.document.id

    def request(self) -> Request:
        """The question."""
        values = {
            "document": self.document.text,
            "explanation_words": self.mode.explanation_words,
            **Limits(self.mode.long_words, self.mode.short_words).placeholders(),
        }
        return Request(
            task=self.id,
            step=STEP,
            messages=(("user", self.prompt.filled(values)),),
            max_tokens=self.mode.max_tokens,
            temperature=self.mode.temperature,
            json_object=self.mode.json_object,
            json_schema=json_schema_of(SelfJudgedAnswer) if self.mode.json_schema else "",
        )

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | JudgedPair | Rejected:
        """The request, or the pair that its answer holds."""
        if STEP not in answers:
            return (self.request(),)
        read = read_judged(answers[STEP])
        if isinstance(read, Rejected):
            return read
        written, verdict = read
        chosen, rejected = (0, 1) if verdict.best == 1 else (1, 0)
        return JudgedPair(
            document=self.document,
            chosen=written.summaries[chosen],
            rejected=written.summaries[rejected],
            score_chosen=verdict.scores[chosen],
            score_rejected=verdict.scores[rejected],
            first_is_chosen=chosen == 0,
            explanations=(verdict.explanations[chosen], verdict.explanations[rejected]),
        )
