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

from tqdm import tqdm

from summpo.errors import UserError, require_choice, require_number
from summpo.files.provenance import Provenance
from summpo.runs.run_folder import write_whole
from summpo.runs.unfinished import PartialResults, Record
from summpo.text.rouge import rouge_scorer
from summpo.text.rows import SummaryRow
from summpo.text.turns import without_ends
from summpo.text.words import count_words
from summpo.writing.generation import Generated
from summpo.writing.writer import Key, Writer

RULES = {
    "rouge1_recall": ("rouge1", "recall"),
    "rouge1": ("rouge1", "fmeasure"),
    "rougeL": ("rougeL", "fmeasure"),
    "rougeLsum": ("rougeLsum", "fmeasure"),
}


@dataclass(frozen=True)
class PairRule:
    """How many summaries are sampled, what makes one better, and by how much it must be."""

    samples: int
    quality: str
    min_difference: float
    cut_samples: str = "drop"
    """What to do with a sample that the limit on new tokens cut (it teaches to stop in mid-sentence): drop or keep."""

    def __post_init__(self) -> None:
        require_choice("cut_samples", self.cut_samples, ("drop", "keep"))
        require_number("samples", self.samples, low=2)
        require_choice("quality", self.quality, tuple(RULES))
        require_number("min_difference", self.min_difference, low=0)

    def scores(self, references: Sequence[str], summaries: Sequence[str]) -> list[float]:
        """Each summary's quality, 0 to 1: the best over the references."""
        kind, part = RULES[self.quality]
        scorer = rouge_scorer(kind)
        return [max(getattr(scorer.score(r, summary)[kind], part) for r in references) for summary in summaries]

    def usable(self, samples: Sequence[str], ended: Sequence[bool]) -> list[str]:
        """The samples that may stand in a pair."""
        return [text for text, whole in zip(samples, ended, strict=True) if whole or self.cut_samples == "keep"]

    def remedy(self, cut: int) -> str:
        """What would make pairs where none could be made; `cut` samples were cut."""
        if cut and self.cut_samples == "drop":
            return f"{cut} samples were cut: raise generation.max_new_tokens, or set cut_samples=keep"
        return "lower min_difference"

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
    writer: Writer, rows: Sequence[SummaryRow], rule: PairRule, seed: int, folder: Path, split: str, made: Provenance
) -> dict[str, Any]:
    """Writes <split>.jsonl in `folder` and returns its counts, of documents but for samples_cut and chosen_is_longer.

    Goes on where an earlier process stopped.

    Samples are kept in <split>.samples.jsonl as they are written, a line a document. A document's samples depend on the
    seed and on the documents of its batch, not on when the process was started.

    Args:
        made: what decides the samples (model, documents, settings): no others are gone on from.

    Raises:
        UserError: the folder has samples of something else; or no pair can be made.
    """
    target = folder / f"{split}.jsonl"
    kept = PartialResults(folder / f"{split}.samples.jsonl", made)
    rows = without_ends(rows, writer.tokenizer, writer.prompt)
    prompts, _ = writer.prompts(rows)

    def record(key: Key, written: list[Generated]) -> Record:
        texts, ended = [writer.text(one) for one in written], [one.ended for one in written]
        return {"id": key[0], "samples": texts, "ended": ended}

    with tqdm(total=len(rows), desc=f"{split} samples", unit="document", disable=None) as bar:
        of_row = {(row.id, ""): ids for row, ids in zip(rows, prompts, strict=True)}
        writer.write_kept(of_row, kept, seed, record, samples=rule.samples, on_batch=bar.update)
    done = [kept.get(row.id) or {} for row in rows]
    cut = sum(not ended for one in done for ended in one["ended"])
    outcomes = [rule.pick(row, rule.usable(one["samples"], one["ended"])) for row, one in zip(rows, done, strict=True)]
    pairs = [pair for pair, _ in outcomes if pair is not None]
    if not pairs:
        raise UserError(f"no pair could be made of the {len(rows)} documents of {split}: {rule.remedy(cut)}")
    write_whole(target, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
    longer = sum(count_words(pair["chosen"]) > count_words(pair["rejected"]) for pair in pairs)
    counts = dict(Counter(why for _, why in outcomes))
    return counts | {"samples_cut": cut, "chosen_is_longer": round(longer / len(pairs), 4)}
