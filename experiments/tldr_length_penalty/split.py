"""Cuts human comparisons (the `comparisons` schema) into short articles to train on and others to test on.

    python experiments/tldr_length_penalty/split.py COMPARISONS_FOLDER OUTPUT_FOLDER

Articles of at most 450 tokens, ranked by a hash of their text: 32 for the test, 6 for validation, the rest to train on.
At most 3 comparisons an article, so that no article rules. Contradicting annotators are kept.
"""

import hashlib
import json
import sys
from pathlib import Path

from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.models import Model
from summpo.models.weights.loading import load_tokenizer
from summpo.models.weights.sources import resolve

source, target = map(Path, sys.argv[1:3])
tokenizer = load_tokenizer(resolve(Model(path="embedded"), Path.home() / ".cache" / "summpo"))
data = SummarizeFromFeedback(path=str(source))
articles: dict[str, list] = {}
for split in ("train", "validation", "test"):
    for row in data.pairs(split):
        articles.setdefault(row.document, []).append(row)
short = [text for text in articles if len(tokenizer(text)["input_ids"]) <= 450]
short.sort(key=lambda text: hashlib.sha256(text.encode()).hexdigest())
parts = {"test": short[:32], "validation": short[32:38], "train": short[38:]}
target.mkdir(parents=True, exist_ok=True)
for split, texts in parts.items():
    rows = [row for text in texts for row in articles[text][:3]]
    columns = ("id", "document", "chosen", "rejected")
    lines = [json.dumps({name: getattr(row, name) for name in columns}) for row in rows]
    Path(target, f"{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{split}: {len(texts)} articles, {len(rows)} comparisons")
