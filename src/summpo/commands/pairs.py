"""`summpo pairs run=DIR dataset=aclsum output_dir=DIR`: preference pairs from a model's own samples."""

from __future__ import annotations

import json
from pathlib import Path

from omegaconf import OmegaConf

from summpo.commands.help import wants_help
from summpo.commands.run_config import compose_with_run
from summpo.commands.writing_settings import writing_settings
from summpo.config.tree import plain
from summpo.datasets import SPLITS, one_per_document
from summpo.errors import UserError, require, require_choice, require_number
from summpo.files.locks import writing_alone
from summpo.files.provenance import differences, read_record_if_whole
from summpo.models.weights.sources import check_paths, check_task
from summpo.runs.finished import is_finished, provenance_in, provenance_of
from summpo.runs.run_folder import require_writable, write_whole
from summpo.writing.steps import load_writer_of, samples_of


def run(arguments: list[str]) -> int:
    """Samples, picks pairs, and says how many and how biased to length they are."""
    if wants_help("pairs", arguments):
        return 0
    config = compose_with_run("pairs", arguments, ("model", "prompt", "tokens", "dataset"))
    settings = writing_settings(config)
    config.accelerator = settings.device_kind
    for split, count in config.documents.items():
        require_choice("documents", split, SPLITS)
        if count is not None:
            require_number(f"documents.{split}", count, low=1)
    require(settings.generation.temperature > 0, "samples differ only with generation.temperature above 0")
    require(not OmegaConf.is_missing(config, "output_dir"), "output_dir is required: the folder of the pairs")
    folder = Path(config.output_dir)
    require_writable(folder)
    manifest = folder / "pairs.json"
    check_paths(settings.model)
    check_task(settings.model, scores=False)
    rows = {
        split: one_per_document(settings.dataset.summaries(split), settings.tokens.empty)[:n]
        for split, n in config.documents.items()
    }
    provenance = provenance_of(plain(config), rows, settings.model, Path(config.cache_dir))
    if is_finished(manifest, provenance):
        print(f"pairs: done already with these settings, see {manifest}")
        return 0
    if manifest.exists():
        changed = differences(provenance_in(read_record_if_whole(manifest)), provenance)
        raise UserError(f"{folder} holds pairs of {changed[0]}: choose another output_dir, or the same settings")

    from summpo.writing.sampled_pairs import PairRule, make_pairs

    rule = PairRule(config.samples, config.quality, config.min_difference, config.cut_samples)
    writer = load_writer_of(settings)
    with writing_alone(folder):
        counts = {
            split: make_pairs(writer, documents, rule, config.seed, folder, split, samples_of(**provenance.inputs))
            for split, documents in rows.items()
        }
        record = {"counts": counts, **provenance.inputs}
        write_whole(manifest, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    for split, count in counts.items():
        print(f"pairs: {split}: " + ", ".join(f"{name} {n}" for name, n in count.items()))
    print(f"pairs: done; read them with dataset=jsonl dataset.path={folder}")
    return 0
