"""`summpo pairs run=DIR dataset=aclsum output_dir=DIR`: preference pairs from a model's own samples."""

from __future__ import annotations

import json
from pathlib import Path

from omegaconf import OmegaConf

from summpo.build import writing_parts
from summpo.commands.evaluate import already
from summpo.commands.generate import writer_of
from summpo.commands.help import wants_help
from summpo.compose import plain
from summpo.datasets import SPLITS, one_per_document
from summpo.errors import require, require_choice, require_number
from summpo.inherit import compose_with_run
from summpo.models.sources import check_paths
from summpo.run_folder import write_whole


def run(arguments: list[str]) -> int:
    """Samples, picks pairs, and says how many and how biased to length they are."""
    if wants_help("pairs", arguments):
        return 0
    config = compose_with_run("pairs", arguments, ("model", "prompt", "tokens", "dataset"))
    parts = writing_parts(config)
    for split, count in config.documents.items():
        require_choice("documents", split, SPLITS)
        if count is not None:
            require_number(f"documents.{split}", count, low=1)
    require(parts.decoding.temperature > 0, "samples differ only with generation.temperature above 0")
    require(not OmegaConf.is_missing(config, "output_dir"), "output_dir is required: the folder of the pairs")
    folder = Path(config.output_dir)
    manifest = folder / "pairs.json"
    if already(manifest, plain(config)):
        print(f"pairs: done already with these settings, see {manifest}")
        return 0
    require(not manifest.exists(), f"{folder} holds pairs made with other settings; choose another output_dir")
    check_paths(parts.model)
    rows = {split: one_per_document(parts.dataset.summaries(split))[:n] for split, n in config.documents.items()}

    from summpo.synthesis.sampled_pairs import PairRule, make_pairs

    rule = PairRule(config.samples, config.quality, config.min_difference)
    writer = writer_of(config, parts)
    counts = {
        split: make_pairs(writer, documents, rule, config.seed, folder, split) for split, documents in rows.items()
    }
    record = {"counts": counts, "config": plain(config)}
    write_whole(manifest, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    for split, count in counts.items():
        print(f"pairs: {split}: " + ", ".join(f"{name} {n}" for name, n in count.items()))
    print(f"pairs: done; read them with dataset=jsonl dataset.path={folder}")
    return 0
