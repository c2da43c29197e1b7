"""The evaluation of one model on held-out documents: write, score, compare preferences, leave the files."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from summpo.errors import require
from summpo.evaluation.scores import SummaryScores, aggregate, intervals, score_summary
from summpo.margin_rewards import Completions, MarginReward, MissingColumn
from summpo.rows import SummaryRow
from summpo.run_folder import write_whole
from summpo.tokens import text_tokens
from summpo.writer import Writer

logging.getLogger("absl").setLevel(logging.WARNING)  # rouge-score announces its tokenizer each time


def write_summaries(writer: Writer, rows: Sequence[SummaryRow], file: Path) -> tuple[list[dict[str, Any]], int]:
    """Writes a summary of each document to `file` (one JSON object a line), whole or not at all.

    Returns:
        The lines, and how many documents were cut to leave room for the summary.
    """
    prompts, was_cut = writer.prompts(rows)
    if was_cut:
        print(f"{was_cut} of {len(rows)} documents were cut to tokens.max_length={writer.limits.max_length}")
    samples = []
    for row, written in zip(rows, writer.write(prompts, progress="summaries"), strict=True):
        text = writer.text(written)
        samples.append(
            {
                "id": row.id,
                "document": row.document,
                "summary": text,
                "references": list(row.references or (row.summary,)),
                "length_tokens": len(text_tokens([text], writer.tokenizer)[0]),
                "length_words": len(text.split()),
                "ended": written.ended,
            }
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, "".join(json.dumps(s, ensure_ascii=False) + "\n" for s in samples))
    return samples, was_cut


def scores_of(samples: Sequence[dict[str, Any]]) -> list[SummaryScores]:
    """Each sample's lengths and ROUGE."""
    return [
        score_summary(s["summary"], tuple(s["references"]), s["document"], s["length_tokens"], s["ended"])
        for s in samples
    ]


def margin_means(
    rewards: dict[str, MarginReward], samples: Sequence[dict[str, Any]], writer: Writer
) -> dict[str, float]:
    """`eval/margin/<name>`: each margin reward's mean over the summaries."""
    completions = Completions(
        documents=[s["document"] for s in samples],
        texts=[s["summary"] for s in samples],
        count_tokens=lambda texts: [len(ids) for ids in text_tokens(texts, writer.tokenizer)],
        ids=[s["id"] for s in samples],
        references=[tuple(s["references"]) for s in samples],
    )
    means = {}
    for name, reward in rewards.items():
        try:
            values = reward.rewards(completions)
        except MissingColumn as missing:  # a judge's score of the data's completions says nothing of these
            print(f"evaluate: margin reward {name} is not measured on the generated summaries: {missing}")
            continue
        means[f"eval/margin/{name}"] = sum(values) / len(values)
    return means


def evaluate(
    writer: Writer, documents: Sequence[SummaryRow], rewards: dict[str, MarginReward], folder: Path
) -> dict[str, Any]:
    """Writes samples.jsonl in `folder` and returns what evaluation.json says of the summaries.

    Raises:
        UserError: there is no document.
    """
    started = time.monotonic()
    require(len(documents) > 0, "there is no document to summarise: the split is empty")
    samples, was_cut = write_summaries(writer, documents, folder / "samples.jsonl")
    scores = scores_of(samples)
    return {
        "documents": len(samples),
        "documents_cut": was_cut,
        "metrics": aggregate(scores) | margin_means(rewards, samples, writer),
        "intervals": {name: list(bounds) for name, bounds in intervals(scores).items()},
        "generation": asdict(writer.decoding),
        "wall_time_s": round(time.monotonic() - started, 1),
    }
