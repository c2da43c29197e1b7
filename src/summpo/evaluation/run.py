"""The story of an evaluation: documents, summaries, their scores, and how the model orders pairs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from summpo.config.nodes import require_types
from summpo.config.record import node_of
from summpo.datasets import MissingPairs, PairDataset, Split, SummaryDataset, name_of
from summpo.errors import require
from summpo.evaluation.bert_backbone import BertScore
from summpo.files.locks import writing_alone
from summpo.margin_rewards import AdapterReward
from summpo.margin_rewards.checks import check_adapters, check_margins
from summpo.margin_rewards.margins import WeightedMargin
from summpo.models.weights.sources import check_paths, check_task
from summpo.runs.finished import is_finished, provenance_of, require_same_documents
from summpo.runs.run_folder import RunFolder, write_whole
from summpo.training.plain_settings import settings_of_run, trained_model
from summpo.training.settings import TrainSettings
from summpo.writing.given_documents import require_references
from summpo.writing.settings import WritingSettings
from summpo.writing.steps import documents_of, kept_samples, load_writer_of, long_documents_note

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateSettings:
    """What an evaluation is made from.

    Raises:
        UserError: there is no folder to write to, or a margin reward cannot be measured on parts of documents.
    """

    writing: WritingSettings
    """What the summaries are written from."""
    margin_reward: Mapping[str, WeightedMargin] = field(default_factory=dict)
    """Margin rewards to report of the summaries, and to weigh in the preference accuracy."""
    w: float = 0.0
    """Weight of the margin reward in the preference accuracy."""
    eval_batch_size: int = 16
    """Completions scored side by side for the preference accuracy."""
    bertscore: BertScore = field(default_factory=BertScore)
    run: str | None = None
    """The run whose model writes."""
    output_dir: str | None = None
    """Where samples.jsonl and evaluation.json go; None for the run's folder."""

    def __post_init__(self) -> None:
        require_types(self)
        folder = self.output_dir or self.run
        require(folder is not None, "output_dir is required where no run is given: the folder for samples.jsonl")
        for name, margin in self.margin_reward.items():
            require(
                self.writing.long.how != "map_reduce" or not isinstance(margin.reward, AdapterReward),
                f"margin_reward.{name} compares log-probs given a document's prompt, and with "
                "long_documents=map_reduce a document has several: choose long_documents=truncate",
            )

    @classmethod
    def of_run(cls, run: Path | str, dataset: SummaryDataset | None = None, **changes: Any) -> EvaluateSettings:
        """The settings that evaluate what a run has trained, with its own prompt, limits, margin rewards and w.

        Args:
            run: its folder.
            dataset: whose documents; None for the run's own data set.
            changes: fields of `WritingSettings`, such as split or generation, and of this.

        Raises:
            UserError: there is no run, or it is not done.
        """
        folder, trained = RunFolder(Path(run)), settings_of_run(RunFolder(Path(run)))
        odd = next(
            (name for name in changes if name not in {*WritingSettings.__annotations__, *cls.__annotations__}), None
        )
        require(odd is None, f"an evaluation has no setting {odd}")
        of_writing = {name: changes.pop(name) for name in list(changes) if name in WritingSettings.__annotations__}
        data: Any = trained.dataset if dataset is None else dataset
        own = {"prompt": trained.prompt, "tokens": trained.tokens, "cache_dir": trained.cache_dir}
        writing = WritingSettings(trained_model(folder, trained.model), data, **{**own, **of_writing})
        rest = {"margin_reward": trained.margin_reward, "w": trained.w, "run": str(run)}
        return cls(writing, **{**rest, **changes})

    @property
    def folder(self) -> Path:
        """Where its files go."""
        return Path(str(self.output_dir or self.run))

    @property
    def dataset_name(self) -> str:
        """The data set as the report names it, or the file of documents."""
        if self.writing.input is not None:
            return Path(self.writing.input).name
        return name_of(self.writing.dataset)

    @property
    def record(self) -> dict[str, Any]:
        """The settings as plain data, under their config keys."""
        return self.writing.record | {
            "margin_reward": {name: margin.record for name, margin in self.margin_reward.items()},
            "bertscore": node_of(self.bertscore),
            **{name: getattr(self, name) for name in ("w", "eval_batch_size", "run", "output_dir")},
        }

    @property
    def trained(self) -> TrainSettings | None:
        """What the run was trained with, on the data, margin rewards and w of this evaluation; None without a run that
        learns from pairs.

        Raises:
            UserError: the margin rewards or w do not fit the run's objective.
        """
        trained = None if self.run is None else settings_of_run(RunFolder(Path(self.run)))
        if trained is None or trained.kind.name != "pairs":
            return None
        return replace(
            trained,
            dataset=self.writing.dataset,
            margin_reward=self.margin_reward,
            w=self.w,
            cache_dir=self.writing.cache_dir,
            eval_batch_size=self.eval_batch_size,
        )

    @property
    def writes_as_trained(self) -> bool:
        """Whether the model that writes is what the run has trained, and no other that is named beside it."""
        if self.run is None:
            return False
        run, model = RunFolder(Path(self.run)), self.writing.model
        return model.adapter == str(run.adapter) or model.path == str(run.model)


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Writes summaries, goes on with them or finds them done, and measures them.

    Returns:
        What evaluation.json holds: `metrics` and their `intervals`, the preference accuracy, and what they are of; of a
        reward model, which writes nothing, how it orders the split's pairs.

    Raises:
        UserError: the model, a document or a margin reward cannot be used, or the folder holds samples of other
            documents, or another process writes there.
    """
    if settings.run is not None and settings_of_run(RunFolder(Path(settings.run))).trains_scorer:
        return evaluate_reward_model(settings)
    with writing_alone(settings.folder):
        return measure_summaries(settings)


def measure_summaries(settings: EvaluateSettings) -> dict[str, Any]:
    """The same, in a folder that no other process writes to."""
    from summpo.evaluation.scores import TEXT_MEASURES

    writing, out, record = settings.writing, settings.folder, settings.record
    file, cache, model = out / "evaluation.json", Path(writing.cache_dir), writing.model
    check_paths(model)
    check_task(model, scores=False)
    check_margins(settings.margin_reward)
    documents = documents_of(writing)
    require_references(documents)
    bert_scorer = settings.bertscore.scorer(cache)
    measures = {"text_measures": TEXT_MEASURES, "bertscore": None if bert_scorer is None else bert_scorer.fingerprint}
    provenance = provenance_of(record, {"documents": documents}, model, cache, **measures)
    if is_finished(file, provenance, "samples.jsonl"):
        log.info(f"evaluate: done already with these settings, see {file}")
        return json.loads(file.read_text("utf-8"))
    require_same_documents(file, record)
    kept = kept_samples(provenance, out)
    judges = writing.input is None and settings.writes_as_trained and has_pairs(writing.dataset, writing.split)
    trained = settings.trained if judges else None
    check_adapters(settings.margin_reward, provenance.inputs["made_from"]["model"], model.path)

    from summpo.evaluation.held_out import evaluate as measured
    from summpo.writing.samples import long_counts, samples_lines, thought_counts
    from summpo.writing.summarising import summarise

    accuracies: dict[str, Any] = {"preference_accuracy": None, "preference_accuracy_with_margin": None}
    if trained is not None:  # first: what it refuses is known before a summary is written
        from summpo.evaluation.held_out_rows import held_out_preference

        accuracies |= held_out_preference(Path(str(settings.run)), trained, writing.split, writing.device)
    rewards = {name: margin.reward for name, margin in settings.margin_reward.items()}
    writer = load_writer_of(writing)
    started = time.monotonic()
    samples = summarise(writer, documents, writing.long, kept, writing.seed)
    counts = long_counts(samples, writing.long.how)
    result, samples = measured(writer, documents, samples, rewards, bert_scorer, model, cache)
    result |= {**accuracies, "documents_cut": sum(bool(s["tokens_left_out"]) for s in samples),
               "long_documents": counts.record(), "wall_time_s": round(time.monotonic() - started, 1)}  # fmt: skip
    result |= {"dataset": settings.dataset_name, "split": writing.split, **provenance.inputs}
    write_whole(out / "samples.jsonl", samples_lines(samples))
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    kept.discard()
    metrics, says = result["metrics"], long_documents_note(counts, writing) + thought_counts(samples).words()
    bert = f", BERTScore F1 {metrics['eval/bertscore_f1']:.3f}" if bert_scorer is not None else ""
    log.info(f"evaluate: {result['documents']} documents, {metrics['eval/length_tokens']:.1f} tokens, "
             f"ROUGE-1 {metrics['eval/rouge1']:.3f}{bert}{says}; all in {file}")  # fmt: skip
    return result


def evaluate_reward_model(settings: EvaluateSettings) -> dict[str, Any]:
    """How a run's reward model, which writes no summary, orders the split's pairs; goes to evaluation.json.

    Raises:
        UserError: the data set has no pairs.
    """
    writing, file = settings.writing, settings.folder / "evaluation.json"
    require(
        writing.input is None, "a reward model writes nothing: it is evaluated on the pairs of dataset, not of input"
    )
    trained = settings.trained
    assert trained is not None  # a reward model learns from pairs, and its settings ask the data set for them

    from summpo.evaluation.held_out_rows import held_out_preference

    found = held_out_preference(Path(str(settings.run)), trained, writing.split, writing.device)
    require(bool(found), f"there is no pair to judge by: the split {writing.split} is empty")
    result = {**found, "dataset": settings.dataset_name, "split": writing.split, "config": settings.record}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    log.info(f"evaluate: {found['pairs']} pairs, accuracy {found['preference_accuracy']:.3f}; all in {file}")
    return result


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
