"""Documents to summarise, and those that are left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A text to summarise."""

    id: str
    source: str
    """Where it is from, as quotas and reports name it: arxiv, wikipedia ..."""
    text: str


@dataclass(frozen=True)
class Rejected:
    """A task that came to nothing."""

    reason: str
    """One of a fixed list, for counting: truncated, score_out_of_range ..."""
    detail: str
    """What exactly, for a reader."""
