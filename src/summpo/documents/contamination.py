"""Train documents that overlap with test documents: an index of the test's n-grams of words, and a document's share.

datatrove has blocks for this that do not serve: its indexer wants lighteval and loads that library's tasks, and its
filter drops a document at the first common n-gram and holds a dictionary of all of them in every process. Here they are
two sorted arrays on the disk, mapped into memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from summpo.documents.rules import Contamination
from summpo.documents.words import n_gram_hashes, uniform_words
from summpo.text.documents import Document, Rejected


@dataclass(frozen=True)
class NGramIndex:
    """The distinct n-grams of the test documents, sorted, and whose each is."""

    hashes: np.ndarray
    """uint64[n-gram]."""
    owners: np.ndarray
    """uint32[n-gram]: the first test document that has it."""
    ids: list[str]
    """Ids of the test documents."""

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "hashes.npy", self.hashes)
        np.save(folder / "owners.npy", self.owners)
        (folder / "ids.json").write_text(json.dumps(self.ids), "utf-8")

    def verdict(self, document: Document, rule: Contamination) -> Rejected | None:
        """Whether a train document has too much of the test documents: the share of its n-grams, each place counted."""
        words = uniform_words(document.text)
        found = n_gram_hashes(words, rule.words)
        if not len(found) or not len(self.hashes):
            return None
        places = np.minimum(np.searchsorted(self.hashes, found), len(self.hashes) - 1)
        is_hit = self.hashes[places] == found
        share = float(is_hit.mean())
        if share <= rule.max_share:
            return None
        owner = int(np.bincount(self.owners[places[is_hit]]).argmax())
        start = int(is_hit.argmax())
        passage = " ".join(words[start : start + rule.words])
        detail = (
            f"{share:.1%} of its {rule.words}-grams are in test documents, most in {self.ids[owner]}: {passage} ..."
        )
        return Rejected("contaminated", detail)


def index_of(documents: Iterable[Document], words: int) -> NGramIndex:
    """The index of the test documents' n-grams of so many words."""
    ids: list[str] = []
    hashes, owners = np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    waiting: list[np.ndarray] = []

    def join() -> tuple[np.ndarray, np.ndarray]:
        """Sorted, and of equal ones the first: the earliest owner's."""
        whose = [np.full(len(one), len(ids) - len(waiting) + n, np.uint32) for n, one in enumerate(waiting)]
        every, first = np.unique(np.concatenate([hashes, *waiting]), return_index=True)
        return every, np.concatenate([owners, *whose])[first]

    for document in documents:
        ids.append(document.id)
        waiting.append(n_gram_hashes(uniform_words(document.text), words))
        if len(waiting) == 1000:
            hashes, owners = join()
            waiting.clear()
    hashes, owners = join()
    return NGramIndex(hashes, owners, ids)


def opened(folder: Path) -> NGramIndex:
    """The index in a folder, mapped into memory."""
    hashes, owners = (np.load(folder / name, mmap_mode="r") for name in ("hashes.npy", "owners.npy"))
    return NGramIndex(hashes, owners, json.loads((folder / "ids.json").read_text("utf-8")))
