"""`summpo evaluate run=DIR dataset=aclsum`: summaries of held-out documents, their lengths and scores, preferences."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from summpo.commands.generate import documents_of, kept_samples, long_documents_note, output_folder, writer_of
from summpo.commands.help import wants_help
from summpo.commands.run_config import compose_with_run, trained_config
from summpo.config.nodes import from_fields, from_target
from summpo.config.tree import plain
from summpo.datasets import MissingPairs, PairDataset, Split, SummaryDataset
from summpo.errors import require
from summpo.evaluation.bert_backbone import BertScore
from summpo.files.locks import writing_alone
from summpo.margin_rewards import AdapterReward
from summpo.margin_rewards.checks import check_adapters, check_margins
from summpo.margin_rewards.margins import WeightedMargin
from summpo.models.devices import writing_device
from summpo.models.weights.sources import check_paths, check_task
from summpo.objectives import OBJECTIVES, ScoreObjective
from summpo.row_kinds import kind_of
from summpo.runs.finished import is_finished, provenance_of, require_same_documents
from summpo.runs.run_folder import RunFolder, write_whole
from summpo.training.parts import WritingParts, margins_of, trained_parts, writing_parts
from summpo.writing.given_documents import require_references


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
    if config.run is not None and trains_scorer(trained_config(RunFolder(Path(config.run)))):
        return evaluate_reward_model(config, out / "evaluation.json")
    with writing_alone(out):
        return evaluate_summaries(config, parts, margins, bert_score, out)


def evaluate_summaries(
    config: DictConfig, parts: WritingParts, margins: Mapping[str, WeightedMargin], bert_score: BertScore, out: Path
) -> int:
    """Writes summaries, goes on with them or finds them done, and measures them.

    Raises:
        UserError: the model, a document or a margin reward cannot be used, or `out` holds samples of other documents.
    """
    from summpo.evaluation.scores import TEXT_MEASURES

    file = out / "evaluation.json"
    check_paths(parts.model)
    check_task(parts.model, scores=False)
    check_prompts(margins, parts)
    check_margins(margins)
    documents = documents_of(config, parts)
    require_references(documents)
    cache = Path(config.cache_dir)
    bert_scorer = bert_score.scorer(cache)
    measures = {"text_measures": TEXT_MEASURES, "bertscore": None if bert_scorer is None else bert_scorer.fingerprint}
    provenance = provenance_of(plain(config), {"documents": documents}, parts.model, cache, **measures)
    if is_finished(file, provenance, "samples.jsonl"):
        print(f"evaluate: done already with these settings, see {file}")
        return 0
    require_same_documents(file, plain(config))
    kept = kept_samples(provenance, out)
    on_pairs = config.input is None and is_of_the_run(config) and has_pairs(parts.dataset, config.split)
    preference = preference_settings(config) if on_pairs else None
    check_adapters(margins, provenance.inputs["made_from"]["model"], parts.model.path)

    from summpo.evaluation.held_out import evaluate
    from summpo.writing.samples import long_counts, samples_lines, thought_counts
    from summpo.writing.summarising import summarise

    accuracies: dict[str, Any] = {"preference_accuracy": None, "preference_accuracy_with_margin": None}
    if preference is not None:  # first: what it refuses is known before a summary is written
        from summpo.evaluation.held_out_rows import held_out_preference

        accuracies |= held_out_preference(Path(str(config.run)), preference, config.split, config.accelerator)
    rewards = {name: margin.reward for name, margin in margins.items()}
    writer = writer_of(config, parts)
    started = time.monotonic()
    samples = summarise(writer, documents, parts.long, kept, config.seed)
    counts = long_counts(samples, parts.long.how)
    result, samples = evaluate(writer, documents, samples, rewards, bert_scorer, parts.model, cache)
    result |= {**accuracies, "documents_cut": sum(bool(s["tokens_left_out"]) for s in samples),
               "long_documents": counts.record(), "wall_time_s": round(time.monotonic() - started, 1)}  # fmt: skip
    name = dataset_name(config) if config.input is None else Path(config.input).name
    result |= {"dataset": name, "split": config.split, **provenance.inputs}
    write_whole(out / "samples.jsonl", samples_lines(samples))
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    kept.discard()
    metrics, says = result["metrics"], long_documents_note(counts, config, parts) + thought_counts(samples).words()
    bert = f", BERTScore F1 {metrics['eval/bertscore_f1']:.3f}" if bert_scorer is not None else ""
    print(f"evaluate: {result['documents']} documents, {metrics['eval/length_tokens']:.1f} tokens, "
          f"ROUGE-1 {metrics['eval/rouge1']:.3f}{bert}{says}; all in {file}")  # fmt: skip
    return 0


def check_prompts(margins: Mapping[str, WeightedMargin], parts: WritingParts) -> None:
    """Refuses margin rewards that ask what a summary's log-prob is given its prompt where there are several prompts.

    Raises:
        UserError: naming the reward.
    """
    for name, margin in margins.items():
        require(
            parts.long.how != "map_reduce" or not isinstance(margin.reward, AdapterReward),
            f"margin_reward.{name} compares log-probs given a document's prompt, and with long_documents=map_reduce a "
            "document has several: choose long_documents=truncate",
        )


def trains_scorer(trained: DictConfig) -> bool:
    """Whether the run trained a reward model."""
    return isinstance(from_target(trained.objective, "objective", OBJECTIVES), ScoreObjective)


def evaluate_reward_model(config: DictConfig, file: Path) -> int:
    """Writes how a reward model, which writes no summary, orders the split's pairs.

    Raises:
        UserError: the data set has no pairs.
    """
    require(
        config.input is None, "a reward model writes nothing: it is evaluated on the pairs of dataset, not of input"
    )
    preference = preference_settings(config)
    assert preference is not None  # a reward model learns from pairs, and trained_parts asks the data set for them

    from summpo.evaluation.held_out_rows import held_out_preference

    found = held_out_preference(Path(str(config.run)), preference, config.split, config.accelerator)
    require(bool(found), f"there is no pair to judge by: the split {config.split} is empty")
    result = {**found, "dataset": dataset_name(config), "split": config.split, "config": plain(config)}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"evaluate: {found['pairs']} pairs, accuracy {found['preference_accuracy']:.3f}; all in {file}")
    return 0


def is_of_the_run(config: DictConfig) -> bool:
    """Whether the model that writes is what a run has trained, and no other that is named beside the run."""
    if config.run is None:
        return False
    run = RunFolder(Path(config.run))
    return config.model.adapter == str(run.adapter) or config.model.path == str(run.model)


def preference_settings(config: DictConfig) -> DictConfig | None:
    """What the run was trained with, on the data, margin rewards and w of this evaluation; None for no run on pairs.

    Raises:
        UserError: the margin rewards or w do not fit the run's objective.
    """
    trained = trained_config(RunFolder(Path(config.run)))
    for key in ("dataset", "margin_reward", "w", "cache_dir", "eval_batch_size"):
        OmegaConf.update(trained, key, config[key], merge=False)
    if kind_of(from_target(trained.objective, "objective", OBJECTIVES)).name != "pairs":
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
