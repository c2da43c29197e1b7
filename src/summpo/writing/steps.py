"""The steps that every command with a writer takes, in their order: documents, earlier samples, the model, the note."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.datasets import one_per_document, unique_ids
from summpo.errors import require
from summpo.files.provenance import Provenance
from summpo.models.weights.folders import context_of
from summpo.models.weights.sources import at_hand
from summpo.runs.unfinished import PartialResults
from summpo.text.rows import SummaryRow
from summpo.writing.given_documents import read_documents
from summpo.writing.settings import WritingSettings

if TYPE_CHECKING:
    from summpo.writing.samples import LongCounts
    from summpo.writing.writer import Writer

log = logging.getLogger(__name__)

DECIDING = ("model", "prompt", "tokens", "generation", "seed", "accelerator", "samples", "long_documents", "map_reduce")
"""Settings that decide samples."""
WHEREABOUTS = ("path", "adapter", "revision")
"""Settings of the model that say less of it than its fingerprints."""
MEASURES = ("text_measures", "bertscore")
"""Inputs of an evaluation that come after its samples."""
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


def kept_samples(provenance: Provenance, out: Path | None) -> PartialResults:
    """What an earlier process has written of these samples; beside samples.jsonl, or in memory alone.

    Raises:
        UserError: what is there is of other documents, another model or other settings.
    """
    return PartialResults(out and out / "samples.partial.jsonl", samples_of(**provenance.inputs))


def samples_of(config: dict[str, Any], made_from: dict[str, Any]) -> Provenance:
    """What decides samples; what does not is null, which a provenance takes for unsaid.

    So a greedy run that ran out of memory goes on in smaller batches, and one whose model was moved goes on too.
    """
    is_greedy, in_parts = config["generation"]["temperature"] == 0, config.get("long_documents") == "map_reduce"
    decides = {name: config.get(name) for name in DECIDING} | ({} if in_parts else {"map_reduce": None})
    generation = config["generation"] | (dict.fromkeys(SPEED) if is_greedy else {})
    model, inputs = config["model"] | dict.fromkeys(WHEREABOUTS), made_from | dict.fromkeys(MEASURES)
    return Provenance({**decides, "generation": generation, "model": model, "made_from": inputs})


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
