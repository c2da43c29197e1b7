"""A small corpus whose funnel can be worked out by hand, and the rules that it is for."""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

from summpo.documents import DocumentSource, Split
from summpo.documents.jsonl import Jsonl
from summpo.documents.rules import Contamination, DocumentRules, NearDuplicates, SplitRules

RULES = DocumentRules(
    train=SplitRules(min_tokens=20, max_tokens=40, quotas={"arxiv": None, "wiki": 2}),
    test=SplitRules(min_characters=300, max_characters=1500, max_teacher_tokens=150),
    contamination=Contamination(words=5, max_share=0.2),
    near_duplicates=NearDuplicates(bands=6, rows=4),
)


def words(seed: int, count: int) -> list[str]:
    """So many words of four letters; those of another seed are others."""
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=4)) for _ in range(count)]


def text(seed: int, count: int) -> str:
    return " ".join(words(seed, count))


TEST_ROWS = [
    {"id": "t1", "source": "arxiv", "text": text(100, 100)},
    {"id": "t2", "source": "arxiv", "text": text(101, 50)},  # 249 characters
    {"id": "t3", "source": "wiki", "text": text(102, 400)},  # 1999 characters
    {"id": "t4", "source": "wiki", "text": text(103, 200)},  # 999 characters, 200 tokens
    {"id": "t5", "source": "wiki", "text": text(100, 99) + " other"},  # t1 but for its last word
]
TRAIN_ROWS = [
    {"id": "few", "source": "arxiv", "text": text(1, 19)},
    {"id": "first", "source": "arxiv", "text": text(2, 30)},
    {"id": "copy", "source": "wiki", "text": "\n  ".join(words(2, 30))},
    {"id": "near", "source": "arxiv", "text": text(2, 29) + " other"},
    {"id": "blank", "source": "arxiv", "text": " \n"},
    {"id": "many", "source": "arxiv", "text": text(3, 41)},
    {"id": "book", "source": "arxiv", "text": text(4, 1000)},
    {"id": "leak", "source": "wiki", "text": " ".join(words(100, 60)[30:60])},
    {"id": "pep-1", "source": "pep", "text": text(5, 30)},
    {"id": "w", "source": "wiki", "text": text(6, 20)},
    {"id": "w", "source": "wiki", "text": text(7, 40)},
    {"id": "w", "source": "wiki", "text": text(8, 30)},
    {"id": "second", "source": "arxiv", "text": text(9, 25)},
    {"id": "first", "source": "arxiv", "text": text(10, 25)},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def corpus(folder: Path, cuts: tuple[int, ...] = ()) -> dict[Split, DocumentSource]:
    """Both sources, the train rows in a file between each two cuts."""
    bounds = [0, *cuts, len(TRAIN_ROWS)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        write(folder / "train" / f"{number:02d}.jsonl", TRAIN_ROWS[start:end])
    write(folder / "test.jsonl", TEST_ROWS)
    return {"train": Jsonl(str(folder / "train")), "test": Jsonl(str(folder / "test.jsonl"))}


def written(out: Path) -> dict[str, str]:
    """What the command leaves, by name, but for the settings."""
    return {file.name: file.read_text("utf-8") for file in sorted((out / "documents").glob("*.jsonl"))}
