"""From what was collected to a data set: filtered, split by document, written with card, funnel and manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from summpo import datasets
from summpo.documents import Split
from summpo.documents.funnel import Funnel
from summpo.documents.rules import REASONS as OF_DOCUMENTS
from summpo.runs.run_folder import write_whole
from summpo.synthesis.balance import balance
from summpo.synthesis.card import Synthesis, TeacherUse, card
from summpo.synthesis.collecting import NO_ANSWER, Collected
from summpo.synthesis.filters import REASONS as OF_PAIRS
from summpo.synthesis.filters import Filtered, Filters, filtered
from summpo.synthesis.funnel import draw
from summpo.synthesis.modes import REASONS as OF_ANSWERS
from summpo.synthesis.output import (
    CARD,
    MANIFEST,
    PICTURE,
    REJECTED,
    Format,
    SplitShares,
    jsonl,
    rejected_row,
    split_pairs,
    write_splits,
)
from summpo.synthesis.records import JudgedPair
from summpo.synthesis.stages import FunnelStage, require_chain, stage
from summpo.teacher.asking import Asked


def stages_of(
    funnels: Mapping[Split, Funnel], collected: Mapping[Split, Collected], kept: Filtered, open_tasks: int
) -> list[FunnelStage]:
    """What became of the documents of all splits together.

    Args:
        open_tasks: documents that the budget kept from an answer.
    """
    turned_away = [reason for each in funnels.values() for reason, n in each.rejected.items() for _ in range(n)]
    failures = [failed.why.reason for each in collected.values() for failed in each.failed]
    unanswered = [reason for reason in failures if reason in NO_ANSWER] + ["max_cost"] * open_tasks
    unread = [reason for reason in failures if reason not in NO_ANSWER]
    selected = stage("selected", sum(each.read for each in funnels.values()), turned_away, OF_DOCUMENTS)
    answered = stage("answered", selected.passed, unanswered)
    parsed = stage("parsed", answered.passed, unread, OF_ANSWERS)
    made = [selected, answered, parsed]
    made.append(stage("kept", parsed.passed, (why.reason for _, why in kept.dropped), OF_PAIRS))
    require_chain(made)
    return made


def split_of(
    kept: Filtered, collected: Mapping[Split, Collected], shares: SplitShares
) -> dict[datasets.Split, list[JudgedPair]]:
    """The pairs by split: those of test documents are the test, where there are any; the others are drawn by id."""
    if "test" not in collected:
        return split_pairs(kept.kept, shares)
    of_test = {pair.document.id for pair in collected["test"].pairs}
    parts = split_pairs([p for p in kept.kept if p.document.id not in of_test], replace(shares, test=0.0))
    parts["test"] = [pair for pair in kept.kept if pair.document.id in of_test]
    return {split: part for split, part in parts.items() if part}


def write(
    folder: Path,
    funnels: Mapping[Split, Funnel],
    collected: Mapping[Split, Collected],
    asked: Asked,
    filters: Filters,
    shares: SplitShares,
    form: Format,
    about: Mapping[str, Any],
    path: str,
) -> Synthesis:
    """Writes the splits, rejected.jsonl, the card and the picture, each whole; the manifest is the caller's, and last.

    Args:
        about: name, teacher, mode, settings and prompts of `Synthesis`.
        path: under which the card says that the data set is to be loaded.
    """
    pairs = [pair for each in collected.values() for pair in each.pairs]
    kept = filtered(pairs, filters)
    parts = split_of(kept, collected, shares)
    done = sum(len(each.pairs) + len(each.failed) for each in collected.values())
    open_tasks = sum(each.kept for each in funnels.values()) - done
    spent = asked.spent
    made = Synthesis(
        **about,
        stages=stages_of(funnels, collected, kept, open_tasks),
        splits={split: balance(part) for split, part in parts.items()},
        spent=TeacherUse(
            requests=spent.answers + spent.maybe_paid,
            prompt_tokens=spent.paid.prompt,
            completion_tokens=spent.paid.completion,
            dollars=asked.cost,
            dollars_maybe=asked.cost_maybe,
            prompt_tokens_uncounted=spent.uncounted.prompt,
            completion_tokens_uncounted=spent.uncounted.completion,
        ),
    )
    files = write_splits(folder, parts, form)
    failed = [each for part in collected.values() for each in part.failed]
    rows = [
        rejected_row(each.document_id, each.source, stage_of(each.why.reason), each.why, each.answers)
        for each in sorted(failed, key=lambda each: each.document_id)
    ]
    rows += [
        rejected_row(pair.document.id, pair.document.source, "kept", why, {}) | {"pair": summaries_of(pair)}
        for pair, why in kept.dropped
    ]
    write_whole(folder / REJECTED, jsonl(rows))
    write_whole(folder / PICTURE, draw(made.stages, "From documents to pairs"))
    write_whole(folder / CARD, card(made, files, path))
    return made


def stage_of(reason: str) -> str:
    """The stage that a document without a pair came to."""
    return "answered" if reason in NO_ANSWER else "parsed"


def summaries_of(pair: JudgedPair) -> dict[str, Any]:
    """A pair without its document."""
    return {name: value for name, value in asdict(pair).items() if name != "document"}


def write_manifest(folder: Path, status: str, made: Synthesis, asked: Asked, more: Mapping[str, Any]) -> None:
    """synthesize.json: the counts, what was spent, and what it was made with; there when all else is."""
    counts = {"retries": asked.retries, "models": asked.models}
    record = {"status": status, **made.as_record(), **counts, **more}
    write_whole(folder / MANIFEST, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
