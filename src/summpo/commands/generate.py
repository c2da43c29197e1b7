"""`summpo generate run=DIR input=paper.txt` (or dataset=aclsum): summaries, printed or in samples.jsonl."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from summpo.commands.help import wants_help
from summpo.commands.run_config import compose_with_run
from summpo.commands.writing_settings import say_of_stdin, writing_settings
from summpo.errors import require
from summpo.files.locks import writing_alone
from summpo.files.provenance import Provenance
from summpo.models.weights.sources import check_paths, check_task
from summpo.runs.finished import is_finished, provenance_of, require_same_documents
from summpo.runs.run_folder import require_writable, write_whole
from summpo.text.rows import SummaryRow
from summpo.writing.given_documents import is_one_text
from summpo.writing.settings import WritingSettings
from summpo.writing.steps import documents_of, kept_samples, load_writer_of, long_documents_note


def run(arguments: list[str]) -> int:
    """Writes the summaries, and says where; prints that of one text where no output_dir is given for it."""
    if wants_help("generate", arguments):
        return 0
    config = compose_with_run("generate", arguments, ("model", "prompt", "tokens", "dataset"))
    settings = writing_settings(config)
    prints = config.output_dir is None and config.input is not None and is_one_text(config.input)
    with redirect_stdout(sys.stderr) if prints else nullcontext():
        out = None if prints else output_folder(config)
        with nullcontext() if out is None else writing_alone(out):
            samples = generate(settings, record_of(settings, config), out)
    if out is None:
        print(samples[0]["summary"])
    return 0


def record_of(settings: WritingSettings, config: DictConfig) -> dict[str, Any]:
    """What generation.json says of the settings."""
    return settings.record | {"run": config.run, "output_dir": config.output_dir}


def generate(settings: WritingSettings, config: dict[str, Any], out: Path | None) -> list[dict[str, Any]]:
    """The lines of samples.jsonl, as `write_samples`; none where they are in `out` already.

    Raises:
        UserError: the model or a document cannot be used, or `out` holds samples of other documents.
    """
    require(
        out is None or not (out / "evaluation.json").exists(),
        f"{out}/samples.jsonl belongs to the evaluation beside it: choose another output_dir",
    )
    check_paths(settings.model)
    check_task(settings.model, scores=False)
    say_of_stdin(settings)
    documents = documents_of(settings)
    provenance = provenance_of(config, {"documents": documents}, settings.model, Path(settings.cache_dir))
    if out is not None and is_finished(out / "generation.json", provenance, "samples.jsonl"):
        print(f"generate: done already with these settings, see {out / 'samples.jsonl'}")
        return []
    if out is not None:
        require_same_documents(out / "generation.json", config)
    return write_samples(settings, documents, provenance, out)


def write_samples(
    settings: WritingSettings,
    documents: Sequence[SummaryRow],
    provenance: Provenance,
    out: Path | None,
) -> list[dict[str, Any]]:
    """The lines of samples.jsonl, which goes to `out` with generation.json beside it where there is an `out`."""
    from summpo.writing.samples import long_counts, samples_lines, thought_counts
    from summpo.writing.summarising import summarise

    started = time.monotonic()
    kept = kept_samples(provenance, out)
    samples = summarise(load_writer_of(settings), documents, settings.long, kept, settings.seed)
    counts = long_counts(samples, settings.long.how)
    thoughts = thought_counts(samples)
    says = long_documents_note(counts, settings) + thoughts.words()
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


def output_folder(config: DictConfig) -> Path:
    """output_dir, or the run's folder."""
    folder = config.output_dir or config.run
    require(folder is not None, "output_dir is required where no run is given: the folder for samples.jsonl")
    require_writable(Path(folder))
    return Path(folder)
