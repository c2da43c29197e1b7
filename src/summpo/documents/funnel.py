"""The way from what was read to what is kept, in numbers and in lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from summpo.documents import Split


@dataclass(frozen=True)
class DocumentLengths:
    """Lengths of the kept documents."""

    fewest: int
    mean: float
    most: int


@dataclass(frozen=True)
class Funnel:
    """What became of a split's documents: read = rejected together + kept."""

    read: int
    rejected: dict[str, int]
    """Documents left out, by reason, in the order in which the rules are asked."""
    kept: int
    sources: dict[str, tuple[int, int]]
    """Documents of each source: read, kept."""
    tokens: DocumentLengths
    """Lengths in tokens of the student's tokenizer."""
    characters: DocumentLengths

    @staticmethod
    def from_json(record: Mapping) -> Funnel:
        """The funnel of a JSON object."""
        sources = {name: (read, kept) for name, (read, kept) in record["sources"].items()}
        lengths = {name: DocumentLengths(**record[name]) for name in ("tokens", "characters")}
        return Funnel(**{**record, "sources": sources, **lengths})


@dataclass
class Running:
    """Lengths as they come."""

    count: int = 0
    total: int = 0
    fewest: int = 0
    most: int = 0

    def add(self, length: int) -> None:
        self.fewest = min(self.fewest, length) if self.count else length
        self.most = max(self.most, length)
        self.count, self.total = self.count + 1, self.total + length

    def lengths(self) -> DocumentLengths:
        return DocumentLengths(self.fewest, round(self.total / max(1, self.count), 1), self.most)


@dataclass
class Kept:
    """What is kept of a split, as it is written."""

    sources: Counter[str] = field(default_factory=Counter)
    tokens: Running = field(default_factory=Running)
    characters: Running = field(default_factory=Running)

    def add(self, source: str, tokens: int, characters: int) -> None:
        self.sources[source] += 1
        self.tokens.add(tokens)
        self.characters.add(characters)


def lines(funnels: Mapping[Split, Funnel], quotas: Mapping[Split, Mapping[str, int | None] | None]) -> list[str]:
    """What a command says of them: a line a split, and one where a source has fewer documents than its quota."""
    said = []
    for split, funnel in funnels.items():
        away = ", ".join(f"{n} {reason}" for reason, n in funnel.rejected.items()) or "none"
        tokens = f"{funnel.tokens.fewest} to {funnel.tokens.most} tokens, {funnel.tokens.mean:g} on average"
        said.append(f"{split}: {funnel.read} read, {funnel.kept} kept ({tokens}); rejected: {away}")
        short = {
            source: (funnel.sources.get(source, (0, 0))[1], quota)
            for source, quota in (quotas.get(split) or {}).items()
            if quota is not None and funnel.sources.get(source, (0, 0))[1] < quota
        }
        said += [f"{split}: {source} has {kept} of the {quota} of its quota" for source, (kept, quota) in short.items()]
    return said
