"""`summpo generate run=DIR input=paper.txt` (or dataset=aclsum): summaries, printed or in samples.jsonl."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from summpo.commands.help import wants_help
from summpo.commands.run_config import compose_with_run
from summpo.config.tree import plain
from summpo.datasets import one_per_document, unique_ids
from summpo.errors import require
from summpo.files.locks import writing_alone
from summpo.files.provenance import Provenance
from summpo.models.devices import writing_device
from summpo.models.weights.folders import context_of
from summpo.models.weights.sources import at_hand, check_paths, check_task
from summpo.runs.finished import is_finished, provenance_of, require_same_documents
from summpo.runs.run_folder import require_writable, write_whole
from summpo.text.rows import SummaryRow
from summpo.training.parts import WritingParts, writing_parts
from summpo.writing.given_documents import is_one_text, read_documents

if TYPE_CHECKING:
    from summpo.runs.unfinished import PartialResults
    from summpo.writing.samples import LongCounts

DECIDING = ("model", "prompt", "tokens", "generation", "seed", "accelerator", "samples", "long_documents", "map_reduce")
"""Settings that decide samples."""
WHEREABOUTS = ("path", "adapter", "revision")
"""Settings of the model that say less of it than its fingerprints."""
MEASURES = ("text_measures", "bertscore")
"""Inputs of an evaluation that come after its samples."""
SPEED = ("batch_size", "batch_tokens", "prefill_tokens")
"""Settings of generation that change no greedy summary."""


def run(arguments: list[str]) -> int:
    """Writes the summaries, and says where; prints that of one text where no output_dir is given for it."""
    if wants_help("generate", arguments):
        return 0
    config = compose_with_run("generate", arguments, ("model", "prompt", "tokens", "dataset"))
    parts = writing_parts(config)
    prints = config.output_dir is None and config.input is not None and is_one_text(config.input)
    with redirect_stdout(sys.stderr) if prints else nullcontext():
        config.accelerator = writing_device(config.accelerator)
        out = None if prints else output_folder(config)
        with nullcontext() if out is None else writing_alone(out):
            samples = generate(config, parts, out)
    if out is None:
        print(samples[0]["summary"])
    return 0


def generate(config: DictConfig, parts: WritingParts, out: Path | None) -> list[dict[str, Any]]:
    """The lines of samples.jsonl, as `write_samples`; none where they are in `out` already.

    Raises:
        UserError: the model or a document cannot be used, or `out` holds samples of other documents.
    """
    require(
        out is None or not (out / "evaluation.json").exists(),
        f"{out}/samples.jsonl belongs to the evaluation beside it: choose another output_dir",
    )
    check_paths(parts.model)
    check_task(parts.model, scores=False)
    documents = documents_of(config, parts)
    provenance = provenance_of(plain(config), {"documents": documents}, parts.model, Path(config.cache_dir))
    if out is not None and is_finished(out / "generation.json", provenance, "samples.jsonl"):
        print(f"generate: done already with these settings, see {out / 'samples.jsonl'}")
        return []
    if out is not None:
        require_same_documents(out / "generation.json", plain(config))
    return write_samples(config, parts, documents, provenance, out)


def write_samples(
    config: DictConfig,
    parts: WritingParts,
    documents: Sequence[SummaryRow],
    provenance: Provenance,
    out: Path | None,
) -> list[dict[str, Any]]:
    """The lines of samples.jsonl, which goes to `out` with generation.json beside it where there is an `out`."""
    from summpo.writing.samples import long_counts, samples_lines, thought_counts
    from summpo.writing.summarising import summarise

    started = time.monotonic()
    kept = kept_samples(provenance, out)
    samples = summarise(writer_of(config, parts), documents, parts.long, kept, config.seed)
    counts = long_counts(samples, parts.long.how)
    thoughts = thought_counts(samples)
    says = long_documents_note(counts, config, parts) + thoughts.words()
    if out is None:
        print(f"generate: 1 summary{says}")
        return samples
    record = {"documents": len(samples), "long_documents": counts.record(), "thoughts": asdict(thoughts),
              **provenance.inputs, "wall_time_s": round(time.monotonic() - started, 1)}  # fmt: skip
    write_whole(out / "samples.jsonl", samples_lines(samples))
    write_whole(out / "generation.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    kept.discard()
    what = "1 summary" if len(samples) == 1 else f"{len(samples)} summaries"
    print(f"generate: {what} in {out / 'samples.jsonl'}{says}")
    return samples


def documents_of(config: DictConfig, parts: WritingParts) -> list[SummaryRow]:
    """What is to be summarised: the documents of `input`, or each of the data set's split once; no two have one id.

    Raises:
        UserError: there is none, or one that cannot be used.
    """
    if config.input is not None:
        if config.input == "-" and sys.stdin.isatty():
            print("generate: reads a document from stdin, up to Ctrl-D", file=sys.stderr)
        return read_documents(config.input)
    rows = one_per_document(parts.dataset.summaries(config.split), parts.limits.empty)[: parts.dataset.limit]
    require(len(rows) > 0, f"there is no document to summarise: the split {config.split} is empty")
    return [replace(row, id=name) for row, name in zip(rows, unique_ids(row.id for row in rows), strict=True)]


def kept_samples(provenance: Provenance, out: Path | None) -> PartialResults:
    """What an earlier process has written of these samples; beside samples.jsonl, or in memory alone.

    Raises:
        UserError: what is there is of other documents, another model or other settings.
    """
    from summpo.runs.unfinished import PartialResults

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


def long_documents_note(counts: LongCounts, config: DictConfig, parts: WritingParts) -> str:
    """What the last line says of documents that did not fit, with what the model could read."""
    folder = at_hand(parts.model, Path(config.cache_dir))
    context = None if folder is None else context_of(folder, parts.model.rope_scaling)
    says = counts.words(parts.limits.max_length)
    can = says and context is not None and context > parts.limits.max_length
    return says + (f" (the model reads up to {context}: tokens.max_length)" if can else "")


def output_folder(config: DictConfig) -> Path:
    """output_dir, or the run's folder."""
    folder = config.output_dir or config.run
    require(folder is not None, "output_dir is required where no run is given: the folder for samples.jsonl")
    require_writable(Path(folder))
    return Path(folder)


def writer_of(config: DictConfig, parts: WritingParts):
    """Loads the model that the configuration names."""
    import torch

    from summpo.writing.writer import load_writer

    torch.manual_seed(config.seed)
    print(f"model: {parts.model.path}" + (f" with {parts.model.adapter}" if parts.model.adapter else ""))
    cache = Path(config.cache_dir)
    return load_writer(parts.model, parts.prompt, parts.limits, parts.decoding, cache, config.accelerator)
