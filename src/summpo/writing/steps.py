"""The steps that every command with a writer takes, in their order: documents, earlier samples, the model, the note."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.datasets import one_per_document, unique_ids
from summpo.errors import require
from summpo.models.weights.folders import context_of
from summpo.models.weights.sources import at_hand
from summpo.runs.finished import is_finished
from summpo.runs.unfinished import PartialResults
from summpo.text.rows import SummaryRow
from summpo.writing.given_documents import read_documents
from summpo.writing.settings import WritingSettings

if TYPE_CHECKING:
    from summpo.writing.samples import LongCounts
    from summpo.writing.writer import Writer

log = logging.getLogger(__name__)

SPEED = ("batch_size", "batch_tokens", "prefill_tokens")
"""Settings of generation that change no greedy summary."""


def documents_of(settings: WritingSettings) -> list[SummaryRow]:
    """What is to be summarised: the documents of `input`, or each of the data set's split once; no two have one id.

    Raises:
        UserError: there is none, or one that cannot be used.
    """
    if settings.input is not None:
        return read_documents(settings.input)
    dataset = settings.dataset
    rows = one_per_document(dataset.summaries(settings.split), settings.tokens.empty)[: dataset.limit]
    require(len(rows) > 0, f"there is no document to summarise: the split {settings.split} is empty")
    return [replace(row, id=name) for row, name in zip(rows, unique_ids(row.id for row in rows), strict=True)]


def is_done(out: Path, name: str, record: Mapping[str, Any], made_from: Mapping[str, Any]) -> bool:
    """Whether samples.jsonl and the record of that name in `out` are of these settings and inputs."""
    return (out / "samples.jsonl").exists() and is_finished(out / name, dict(record), dict(made_from))


def kept_samples(settings: WritingSettings, made_from: Mapping[str, Any], out: Path | None) -> PartialResults:
    """What an earlier process has written of these samples; beside samples.jsonl, or in memory alone.

    Raises:
        UserError: what is there is of other documents, another model or other settings.
    """
    return PartialResults(out and out / "samples.partial.jsonl", samples_of(settings, made_from))


def samples_of(settings: WritingSettings, made_from: Mapping[str, Any]) -> str:
    """What decides samples, as hex: a greedy run that ran out of memory goes on in smaller batches."""
    names = ("model", "prompt", "tokens", "generation", "seed", "accelerator", "long_documents", "map_reduce")
    decides = {name: settings.record[name] for name in names}
    if settings.generation.temperature == 0:
        decides["generation"] = {key: value for key, value in decides["generation"].items() if key not in SPEED}
    inputs = {name: made_from[name] for name in ("documents", "model", "adapter", "tokenizer_and_ends", "summpo")}
    return sha256(json.dumps([decides, inputs], sort_keys=True, default=str).encode()).hexdigest()


def load_writer_of(settings: WritingSettings) -> Writer:
    """Loads the model that the settings name."""
    import torch

    from summpo.writing.writer import load_writer

    torch.manual_seed(settings.seed)
    model, cache = settings.model, Path(settings.cache_dir)
    log.info(f"model: {model.path}" + (f" with {model.adapter}" if model.adapter else ""))
    return load_writer(model, settings.prompt, settings.tokens, settings.generation, cache, settings.device)


def long_documents_note(counts: LongCounts, settings: WritingSettings) -> str:
    """What the last line says of documents that did not fit, with what the model could read."""
    folder, limit = at_hand(settings.model, Path(settings.cache_dir)), settings.tokens.max_length
    context = None if folder is None else context_of(folder, settings.model.rope_scaling)
    says = counts.words(limit)
    can = says and context is not None and context > limit
    return says + (f" (the model reads up to {context}: tokens.max_length)" if can else "")
