"""Preference pairs from a model's own samples: write several summaries of each document, take a better and a worse.

The rule that tells them apart is a ROUGE score against the reference summary. Its default, ROUGE-1 recall, is the share
of the reference's words that the summary covers: it favours coverage and costs nothing for length, so the pairs prefer
longer summaries, as human annotators do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from summpo.errors import require, require_choice, require_number
from summpo.rouge import rouge_scorer
from summpo.rows import SummaryRow
from summpo.run_folder import whole_lines, write_whole
from summpo.writer import Writer

RULES = {"rouge1_recall": ("rouge1", "recall"), "rouge1": ("rouge1", "fmeasure"), "rougeL": ("rougeL", "fmeasure")}


@dataclass(frozen=True)
class PairRule:
    """How many summaries are sampled, what makes one better, and by how much it must be."""

    samples: int
    quality: str
    min_difference: float

    def __post_init__(self) -> None:
        require_number("samples", self.samples, low=2)
        require_choice("quality", self.quality, tuple(RULES))
        require_number("min_difference", self.min_difference, low=0)

    def scores(self, references: Sequence[str], summaries: Sequence[str]) -> list[float]:
        """Each summary's quality, 0 to 1: the best over the references."""
        kind, part = RULES[self.quality]
        scorer = rouge_scorer(kind)
        return [max(getattr(scorer.score(r, summary)[kind], part) for r in references) for summary in summaries]

    def pick(self, row: SummaryRow, summaries: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
        """The pair of a document in summpo's own columns, or None and why there is none."""
        references = row.references or (row.summary,)
        distinct = list(dict.fromkeys(text for text in summaries if text))
        if len(distinct) < 2:
            return None, "fewer_than_two_distinct"
        scores = self.scores(references, distinct)
        best, worst = (
            max(range(len(distinct)), key=scores.__getitem__),
            min(range(len(distinct)), key=scores.__getitem__),
        )
        if scores[best] - scores[worst] < self.min_difference or best == worst:
            return None, "too_alike_in_quality"
        pair = {
            "id": row.id,
            "document": row.document,
            "chosen": distinct[best],
            "rejected": distinct[worst],
            "score_chosen": round(scores[best], 6),
            "score_rejected": round(scores[worst], 6),
            "references": list(references),
        }
        return pair | ({"prompt": row.prompt} if row.prompt is not None else {}), "paired"


def make_pairs(
    writer: Writer, rows: Sequence[SummaryRow], rule: PairRule, seed: int, folder: Path, split: str, samples_of: str
) -> dict[str, Any]:
    """Writes <split>.jsonl in `folder` and returns its counts. Goes on where an earlier process stopped.

    Samples are kept in <split>.samples.jsonl as they are written, a line a document. A document's samples depend on the
    seed and on the documents of its batch, not on when the process was started.

    Args:
        samples_of: what decides the samples (model, documents, settings), as hex: no others are gone on from.

    Raises:
        UserError: the folder has samples of something else; or no pair can be made.
    """
    target = folder / f"{split}.jsonl"
    samples_file = folder / f"{split}.samples.jsonl"
    done = read_samples(samples_file, samples_of)
    prompts, _ = writer.prompts(rows)
    order = sorted(range(len(rows)), key=lambda i: -len(prompts[i]))
    documents_at_once = max(1, writer.decoding.batch_size // rule.samples)
    progress = tqdm(total=len(rows), desc=f"{split} samples", unit="document")
    with samples_file.open("a", encoding="utf-8") as file:
        for number, first in enumerate(range(0, len(order), documents_at_once)):
            chunk = order[first : first + documents_at_once]
            if not all(rows[i].id in done for i in chunk):
                torch.manual_seed(seed * 1_000_003 + number)
                written = writer.write([prompts[i] for i in chunk for _ in range(rule.samples)])
                texts = [writer.text(one) for one in written]
                for position, i in enumerate(chunk):
                    done[rows[i].id] = texts[position * rule.samples : (position + 1) * rule.samples]
                    file.write(json.dumps({"id": rows[i].id, "samples": done[rows[i].id]}, ensure_ascii=False) + "\n")
                file.flush()
            progress.update(len(chunk))
    progress.close()
    outcomes = [rule.pick(row, done[row.id]) for row in rows]
    pairs = [pair for pair, _ in outcomes if pair is not None]
    require(len(pairs) > 0, f"no pair could be made of the {len(rows)} documents of {split}; lower min_difference")
    write_whole(target, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
    longer = sum(len(pair["chosen"].split()) > len(pair["rejected"].split()) for pair in pairs)
    return dict(Counter(why for _, why in outcomes)) | {"chosen_is_longer": round(longer / len(pairs), 4)}


def read_samples(file: Path, samples_of: str) -> dict[str, list[str]]:
    """What an earlier process sampled, by document; a last line that was cut off is left out, from the file too.

    The file begins with a line that says what it holds samples of.

    Raises:
        UserError: they are samples of something else.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = whole_lines(file)
    if not whole:
        write_whole(file, json.dumps({"samples_of": samples_of}) + "\n")
        return {}
    head, *lines = map(json.loads, whole)
    require(
        head.get("samples_of") == samples_of,
        f"{file} holds samples of another model, other documents or settings; choose another output_dir",
    )
    write_whole(file, "".join(whole))
    return {record["id"]: record["samples"] for record in lines}
