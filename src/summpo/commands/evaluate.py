"""`summpo evaluate run=DIR dataset=aclsum`: summaries of held-out documents, their lengths, ROUGE, preferences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from summpo.build import margins_of, writing_parts
from summpo.commands.generate import output_folder, writer_of
from summpo.commands.help import wants_help
from summpo.compose import plain
from summpo.datasets import PairDataset, Split, SummaryDataset, one_per_document
from summpo.errors import UserError
from summpo.inherit import compose_with_run
from summpo.models.sources import check_paths
from summpo.run_folder import write_whole


def run(arguments: list[str]) -> int:
    """Evaluates one model, or says that it has been evaluated with these settings."""
    if wants_help("evaluate", arguments):
        return 0
    config = compose_with_run("evaluate", arguments, ("model", "prompt", "tokens", "dataset", "margin_reward", "w"))
    parts = writing_parts(config)
    margins = margins_of(config.margin_reward)
    out = output_folder(config)
    file = out / "evaluation.json"
    if already(file, plain(config)):
        print(f"evaluate: done already with these settings, see {file}")
        return 0
    check_paths(parts.model)
    documents = one_per_document(parts.dataset.summaries(config.split))[: parts.dataset.limit]

    from summpo.evaluation.held_out import evaluate

    rewards = {name: margin.reward for name, margin in margins.items()}
    result: dict[str, Any] = evaluate(writer_of(config, parts), documents, rewards, out)
    result |= {"preference_accuracy": None, "preference_accuracy_with_margin": None}
    if config.run is not None and has_pairs(parts.dataset, config.split):
        from summpo.held_out_preference import held_out_preference

        result |= held_out_preference(Path(config.run), config)
    result |= {"dataset": dataset_name(config), "split": config.split, "config": plain(config)}
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    metrics = result["metrics"]
    print(f"evaluate: {result['documents']} documents, {metrics['eval/length_tokens']:.1f} tokens, "
          f"ROUGE-1 {metrics['eval/rouge1']:.3f}; all in {file}")  # fmt: skip
    return 0


def has_pairs(dataset: SummaryDataset, split: Split) -> bool:
    """Whether the split's rows, which have just been read as summaries, can be read as pairs too."""
    try:
        return isinstance(dataset, PairDataset) and len(dataset.pairs(split)) > 0
    except UserError:  # data in summpo's own columns may have either or both
        return False


def dataset_name(config: Any) -> str:
    """The data set as the report names it: its class, and its path where it has one."""
    name = str(config.dataset._target_).rsplit(".", 1)[-1]
    path = config.dataset.get("path")
    return f"{name} {Path(path).name}" if path else name


def already(file: Path, config: dict[str, Any]) -> bool:
    """Whether `file` is an evaluation with these settings."""
    try:
        return json.loads(file.read_text("utf-8"))["config"] == json.loads(json.dumps(config))
    except (OSError, ValueError, KeyError, TypeError):
        return False
