"""`summpo generate run=DIR dataset=aclsum`: summaries of a split's documents, in samples.jsonl."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from summpo.build import WritingParts, writing_parts
from summpo.commands.help import wants_help
from summpo.datasets import one_per_document
from summpo.devices import writing_device
from summpo.errors import require
from summpo.inherit import compose_with_run
from summpo.models.sources import check_paths, check_task
from summpo.run_folder import require_writable, write_whole


def run(arguments: list[str]) -> int:
    """Writes the summaries, and says where."""
    if wants_help("generate", arguments):
        return 0
    config = compose_with_run("generate", arguments, ("model", "prompt", "tokens", "dataset"))
    parts = writing_parts(config)
    config.accelerator = writing_device(config.accelerator)
    out = output_folder(config)
    require(
        not (out / "evaluation.json").exists(),
        f"{out / 'samples.jsonl'} belongs to the evaluation beside it: choose another output_dir",
    )
    check_paths(parts.model)
    check_task(parts.model, scores=False)
    documents = one_per_document(parts.dataset.summaries(config.split))[: parts.dataset.limit]

    from summpo.evaluation.held_out import samples_lines, summarise

    require(len(documents) > 0, f"there is no document to summarise: the split {config.split} is empty")
    samples, _ = summarise(writer_of(config, parts), documents)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "samples.jsonl", samples_lines(samples))
    print(f"generate: {len(samples)} summaries in {out / 'samples.jsonl'}")
    return 0


def output_folder(config: DictConfig) -> Path:
    """output_dir, or the run's folder."""
    folder = config.output_dir or config.run
    require(folder is not None, "output_dir is required where no run is given: the folder for samples.jsonl")
    require_writable(Path(folder))
    return Path(folder)


def writer_of(config: DictConfig, parts: WritingParts):
    """Loads the model that the configuration names."""
    import torch

    from summpo.writer import load_writer

    torch.manual_seed(config.seed)
    print(f"model: {parts.model.path}" + (f" with {parts.model.adapter}" if parts.model.adapter else ""))
    cache = Path(config.cache_dir)
    return load_writer(parts.model, parts.prompt, parts.limits, parts.decoding, cache, config.accelerator)
