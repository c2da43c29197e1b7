"""What flows from documents to preference pairs: documents, requests to a teacher, its answers, pairs. No I/O.

A task (a document to summarise, two summaries to judge) says by a pure function what is to be asked next, given what
has been answered so far: whoever holds the answers, after a kill too, goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass

from summpo.text.documents import Document


@dataclass(frozen=True)
class JudgedPair:
    """Two summaries of a document, and a verdict."""

    document: Document
    chosen: str
    rejected: str
    score_chosen: float
    score_rejected: float
    first_is_chosen: bool
    """Whether the teacher wrote (and saw) the chosen one first."""
    explanations: tuple[str, str] = ("", "")
    """Why the chosen and the rejected have their scores."""
