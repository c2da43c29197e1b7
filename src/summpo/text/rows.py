"""Text rows: what a data set hands over. Knows columns and text, not tokens, models or weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """system, user or assistant, as chat templates know them."""
    content: str


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One document with a summary to imitate (SFT) and the references to compare against (evaluation)."""

    id: str
    document: str
    summary: str
    references: tuple[str, ...] = ()
    """Every reference summary of the document, for ROUGE; `(summary,)` where the data set names no other."""
    prompt: str | None = None
    """A ready prompt that is used as it is instead of the template around `document`: control tokens in it are real."""
    place: str = field(default="", compare=False)
    """Where the row stands in its source, for sentences about it: "train.jsonl, line 3"."""
    messages: tuple[Message, ...] | None = field(default=None, kw_only=True)
    """The turns that the completion answers, in place of `prompt`: the chat template goes around them."""

    @property
    def completions(self) -> dict[str, str]:
        """The one completion, by the column's name."""
        return {"summary": self.summary}

    @property
    def scores(self) -> tuple[float | None, ...]:
        """No judge has scored it."""
        return (None,)

    @property
    def as_summary(self) -> "SummaryRow":
        """Itself."""
        return self


@dataclass(frozen=True, slots=True)
class PairRow:
    """One document with a better and a worse summary."""

    id: str
    document: str
    chosen: str
    rejected: str
    score_chosen: float | None = None
    score_rejected: float | None = None
    references: tuple[str, ...] = ()
    """Every reference summary of the document that the data set names."""
    prompt: str | None = None
    """A ready prompt that is used as it is instead of the template around `document`: control tokens in it are real."""
    source: str | None = None
    """Where the document comes from, as the data set names it (a site, a forum): nothing is computed from it."""
    place: str = field(default="", compare=False)
    """Where the row stands in its source, for sentences about it: "train.jsonl, line 3"."""
    messages: tuple[Message, ...] | None = field(default=None, kw_only=True)
    """The turns that the completion answers, in place of `prompt`: the chat template goes around them."""

    @property
    def completions(self) -> dict[str, str]:
        """Both completions, by the columns' names."""
        return {"chosen": self.chosen, "rejected": self.rejected}

    @property
    def scores(self) -> tuple[float | None, ...]:
        """What a judge gave each completion."""
        return self.score_chosen, self.score_rejected

    @property
    def as_summary(self) -> SummaryRow:
        """The document with its chosen summary."""
        references = self.references or (self.chosen,)
        return SummaryRow(self.id, self.document, self.chosen, references, self.prompt, messages=self.messages)


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One document with a summary that somebody found good, or bad."""

    id: str
    document: str
    summary: str
    label: bool
    """Whether it is good: desirable."""
    score: float | None = None
    """What a judge gave it."""
    references: tuple[str, ...] = ()
    """Every reference summary of the document that the data set names."""
    prompt: str | None = None
    """A ready prompt that is used as it is instead of the template around `document`: control tokens in it are real."""
    place: str = field(default="", compare=False)
    """Where the row stands in its source, for sentences about it: "train.jsonl, line 3"."""
    messages: tuple[Message, ...] | None = field(default=None, kw_only=True)
    """The turns that the completion answers, in place of `prompt`: the chat template goes around them."""

    @property
    def completions(self) -> dict[str, str]:
        """The one completion, by the column's name."""
        return {"summary": self.summary}

    @property
    def scores(self) -> tuple[float | None, ...]:
        """What a judge gave it."""
        return (self.score,)

    @property
    def as_summary(self) -> SummaryRow:
        """The document with its summary."""
        references = self.references or (self.summary,)
        return SummaryRow(self.id, self.document, self.summary, references, self.prompt, messages=self.messages)


TextRow = SummaryRow | PairRow | LabelledRow
Rows = Sequence[SummaryRow] | Sequence[PairRow] | Sequence[LabelledRow]
"""Rows of one kind."""


def prompt_in_plain(row: TextRow) -> str | list[list[str]] | None:
    """What a row has in place of its document, for a fingerprint: the ready prompt, or each turn's role and content."""
    if row.messages is None:
        return row.prompt
    return [[turn.role, turn.content] for turn in row.messages]
