"""`summpo evaluate run=DIR dataset=aclsum`: summaries of held-out documents, their lengths and scores, preferences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from summpo.build import (
    check_adapters,
    check_margins,
    from_fields,
    from_target,
    margins_of,
    trained_parts,
    writing_parts,
)
from summpo.commands.generate import output_folder, writer_of
from summpo.commands.help import wants_help
from summpo.compose import plain
from summpo.datasets import MissingPairs, PairDataset, Split, SummaryDataset, one_per_document
from summpo.devices import writing_device
from summpo.errors import require
from summpo.evaluation.bert_backbone import BertScore
from summpo.inherit import compose_with_run, trained_config
from summpo.made_from import already, model_fingerprints, rows_fingerprint
from summpo.models.sources import check_paths, check_task
from summpo.objectives import OBJECTIVES, ScoreObjective
from summpo.run_folder import RunFolder, write_whole


def run(arguments: list[str]) -> int:
    """Evaluates one model, or says that it has been evaluated with these settings."""
    if wants_help("evaluate", arguments):
        return 0
    config = compose_with_run("evaluate", arguments, ("model", "prompt", "tokens", "dataset", "margin_reward", "w"))
    parts = writing_parts(config)
    config.accelerator = writing_device(config.accelerator)
    margins = margins_of(config.margin_reward)
    bert_score = from_fields(BertScore, config.bertscore, "bertscore")
    out = output_folder(config)
    file = out / "evaluation.json"
    if config.run is not None and trains_scorer(trained_config(RunFolder(Path(config.run)))):
        return evaluate_reward_model(config, file)
    check_paths(parts.model)
    check_task(parts.model, scores=False)
    check_margins(margins)
    documents = one_per_document(parts.dataset.summaries(config.split))[: parts.dataset.limit]
    cache = Path(config.cache_dir)
    bert_scorer = bert_score.scorer(cache)
    made_from = {"documents": rows_fingerprint(documents), **model_fingerprints(parts.model, cache)}
    made_from["bertscore"] = None if bert_scorer is None else bert_scorer.fingerprint
    if (out / "samples.jsonl").exists() and already(file, plain(config), made_from):
        print(f"evaluate: done already with these settings, see {file}")
        return 0
    preference = preference_settings(config) if has_pairs(parts.dataset, config.split) else None
    check_adapters(margins, str(made_from["model"]), parts.model.path)

    from summpo.evaluation.held_out import evaluate

    accuracies: dict[str, Any] = {"preference_accuracy": None, "preference_accuracy_with_margin": None}
    if preference is not None:  # first: what it refuses is known before a summary is written
        from summpo.held_out_preference import held_out_preference

        accuracies |= held_out_preference(Path(str(config.run)), preference, config.split, config.accelerator)
    rewards = {name: margin.reward for name, margin in margins.items()}
    result, lines = evaluate(writer_of(config, parts), documents, rewards, bert_scorer, parts.model, cache)
    result |= accuracies
    result |= {"dataset": dataset_name(config), "split": config.split, "config": plain(config), "made_from": made_from}
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "samples.jsonl", lines)
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    metrics = result["metrics"]
    bert = f", BERTScore F1 {metrics['eval/bertscore_f1']:.3f}" if bert_scorer is not None else ""
    print(f"evaluate: {result['documents']} documents, {metrics['eval/length_tokens']:.1f} tokens, "
          f"ROUGE-1 {metrics['eval/rouge1']:.3f}{bert}; all in {file}")  # fmt: skip
    return 0


def trains_scorer(trained: DictConfig) -> bool:
    """Whether the run trained a reward model."""
    return isinstance(from_target(trained.objective, "objective", OBJECTIVES), ScoreObjective)


def evaluate_reward_model(config: DictConfig, file: Path) -> int:
    """Writes how a reward model, which writes no summary, orders the split's pairs.

    Raises:
        UserError: the data set has no pairs.
    """
    preference = preference_settings(config)
    assert preference is not None  # a reward model learns from pairs, and trained_parts asks the data set for them

    from summpo.held_out_preference import held_out_preference

    found = held_out_preference(Path(str(config.run)), preference, config.split, config.accelerator)
    require(bool(found), f"there is no pair to judge by: the split {config.split} is empty")
    result = {**found, "dataset": dataset_name(config), "split": config.split, "config": plain(config)}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"evaluate: {found['pairs']} pairs, accuracy {found['preference_accuracy']:.3f}; all in {file}")
    return 0


def preference_settings(config: DictConfig) -> DictConfig | None:
    """What the run was trained with, on the data, margin rewards and w of this evaluation; None for no run on pairs.

    Raises:
        UserError: the margin rewards or w do not fit the run's objective.
    """
    if config.run is None:
        return None
    trained = trained_config(RunFolder(Path(config.run)))
    for key in ("dataset", "margin_reward", "w", "cache_dir", "eval_batch_size"):
        OmegaConf.update(trained, key, config[key], merge=False)
    objective = from_target(trained.objective, "objective", OBJECTIVES)
    if objective.learns_from != "pairs":
        return None
    trained_parts(trained)
    return trained


def has_pairs(dataset: SummaryDataset, split: Split) -> bool:
    """Whether the split's rows, which have just been read as summaries, are pairs too.

    Raises:
        UserError: they are, and one of them cannot be used.
    """
    if not isinstance(dataset, PairDataset):
        return False
    try:
        return len(dataset.pairs(split)) > 0
    except MissingPairs:  # data in summpo's own columns may have either or both
        return False


def dataset_name(config: Any) -> str:
    """The data set as the report names it: its class, and its path where it has one."""
    name = str(config.dataset._target_).rsplit(".", 1)[-1]
    path = config.dataset.get("path")
    return f"{name} {Path(path).name}" if path else name
