"""Which documents are wanted: how long, from where, how different from each other and from the test's.

The verdict on a document is a pure function of its text's length and source. No I/O; nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from summpo.documents import Split
from summpo.errors import FieldError, require, require_choice, require_number
from summpo.text.documents import Document, Rejected

REASONS = (
    "faulty_row", "empty", "source_not_in_quotas", "too_few_characters", "too_many_characters", "too_few_tokens",
    "too_many_tokens", "too_many_teacher_tokens", "contaminated", "exact_duplicate", "near_duplicate", "over_quota",
)  # fmt: skip
"""Why a document is rejected, in the order in which it is asked."""


@dataclass(frozen=True, kw_only=True)
class SplitRules:
    """The documents of a split. A bound is within; null for none."""

    min_tokens: int | None = None
    """Tokens of the student's tokenizer, at least."""
    max_tokens: int | None = None
    """Tokens of the student's tokenizer, at most."""
    min_characters: int | None = None
    """Unicode characters, at least."""
    max_characters: int | None = None
    """Unicode characters, at most."""
    max_teacher_tokens: int | None = None
    """Tokens that the teacher can read, counted with the student's tokenizer."""
    quotas: dict[str, int | None] = field(default_factory=dict)
    """Documents of each source, at most, null for all of it; others are left out. Empty: all of all sources."""

    def __post_init__(self) -> None:
        for key in ("min_tokens", "max_tokens", "min_characters", "max_characters", "max_teacher_tokens"):
            if getattr(self, key) is not None:
                require_number(key, getattr(self, key), low=1)
        for kind in ("tokens", "characters"):
            low, high = getattr(self, f"min_{kind}"), getattr(self, f"max_{kind}")
            if low is not None and high is not None and low > high:
                raise FieldError(f"max_{kind} must be at least min_{kind}, {low}, got {high}", f"max_{kind}")
        for source, quota in (self.quotas or {}).items():
            if quota is not None:
                require_number(f"quotas.{source}", quota, low=1)

    def before_counting(self, document: Document) -> Rejected | None:
        """The verdict that needs no tokens."""
        characters = len(document.text)
        if not document.text.strip():
            return Rejected("empty", "no text but white space")
        if self.quotas and document.source not in self.quotas:
            return Rejected("source_not_in_quotas", f"source {document.source}")
        if self.min_characters is not None and characters < self.min_characters:
            return Rejected("too_few_characters", f"{characters} characters, at least {self.min_characters}")
        if self.max_characters is not None and characters > self.max_characters:
            return Rejected("too_many_characters", f"{characters} characters, at most {self.max_characters}")
        return None

    def by_tokens(self, tokens: int, teacher_tokens: int, is_exact: bool = True) -> Rejected | None:
        """The verdict on a document's length in tokens of the student and of the teacher.

        Args:
            is_exact: whether `tokens` are all; else they are more than `max_tokens` and not counted to the end.
        """
        about = f"{tokens} tokens" if is_exact else f"{tokens} tokens in its beginning"
        if self.min_tokens is not None and tokens < self.min_tokens:
            return Rejected("too_few_tokens", f"{about}, at least {self.min_tokens}")
        if self.max_tokens is not None and tokens > self.max_tokens:
            return Rejected("too_many_tokens", f"{about}, at most {self.max_tokens}")
        if self.max_teacher_tokens is not None and teacher_tokens > self.max_teacher_tokens:
            return Rejected("too_many_teacher_tokens", f"{teacher_tokens} tokens, at most {self.max_teacher_tokens}")
        return None


@dataclass(frozen=True, kw_only=True)
class NearDuplicates:
    """MinHash over n-grams of words: documents that agree in a whole band of hashes are duplicates.

    Two documents whose n-grams overlap to the share s (Jaccard) are found with the probability 1 - (1 - s^rows)^bands:
    with 14 bands of 8 rows 0.92 at s = 0.8 and one half at s = 0.69. (Broder 1997; bands as in FineWeb, 2406.17557.)
    """

    words: int = 5
    """Number of words in an n-gram."""
    bands: int = 14
    """Groups of hashes, of which one must agree."""
    rows: int = 8
    """Hashes in a group."""

    def __post_init__(self) -> None:
        for key in ("words", "bands", "rows"):
            require_number(key, getattr(self, key), low=1)


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """A train document that has too many n-grams of words in common with the test documents is left out.

    One common n-gram, datatrove's rule, is no sign of it: of 1,500 documents of seven sources 107 have a 13-gram of 77
    test documents, 106 of them a licence, a template's sentence or a table: below 6% of their n-grams.
    """

    words: int = 13
    """Number of words in an n-gram."""
    max_share: float = 0.1
    """Largest share of a train document's n-grams that may stand in test documents."""

    def __post_init__(self) -> None:
        require_number("words", self.words, low=1)
        require_number("max_share", self.max_share, low=0, high=1)


TRAIN = SplitRules(min_tokens=900, max_tokens=1800)
TEST = SplitRules(min_characters=16_000, max_characters=100_000, max_teacher_tokens=32_000)


@dataclass(frozen=True, kw_only=True)
class DocumentRules:
    """All that decides which documents are kept."""

    train: SplitRules = field(default_factory=lambda: TRAIN)
    test: SplitRules = field(default_factory=lambda: TEST)
    exact_duplicates: bool = True
    """Leave out a document whose text, white space apart, an earlier one has."""
    near_duplicates: NearDuplicates | None = field(default_factory=NearDuplicates)
    """Leave out a document that an earlier one nearly repeats; null: do not look."""
    contamination: Contamination | None = field(default_factory=Contamination)
    """Leave out train documents that overlap with test documents; null: do not look."""
    faulty_rows: str = "error"
    """What to do with a row that is no document: error or drop."""
    write_rejected: bool = True
    """Write id, source, reason and detail of every rejected document; counted they are always."""
    seed: int = 0
    """Decides which documents of a source its quota takes."""

    def __post_init__(self) -> None:
        require_choice("faulty_rows", self.faulty_rows, ("error", "drop"))
        is_whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        require(is_whole, f"seed must be a whole number, got {self.seed!r}")

    def of(self, split: Split) -> SplitRules:
        """The rules of a split."""
        return self.train if split == "train" else self.test
