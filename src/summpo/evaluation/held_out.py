"""The evaluation of one model's summaries of held-out documents: their scores and margin rewards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from summpo.errors import require
from summpo.evaluation.bert_score import BertScorer, bert_scores, measured_by
from summpo.evaluation.scores import SummaryScores, columns_of, intervals_of, means_of, score_summary
from summpo.margin_rewards import Completions, MarginReward, MissingColumn
from summpo.models import Model
from summpo.models.forward.layouts import pad
from summpo.models.forward.scoring import score_completions
from summpo.models.weights.frozen import FrozenModels
from summpo.records import Ragged, Texts, TokenRows
from summpo.text.encoding import count_tokens
from summpo.text.rows import SummaryRow
from summpo.text.turns import completion_tokens
from summpo.writing.samples import thought_counts
from summpo.writing.writer import Writer

log = logging.getLogger(__name__)


def scores_of(samples: Sequence[dict[str, Any]]) -> list[SummaryScores]:
    """Each sample's lengths and ROUGE."""
    return [
        score_summary(s["summary"], tuple(s["references"]), s["document"], s["length_tokens"], s["ended"])
        for s in samples
    ]


def margin_columns(
    rewards: dict[str, MarginReward],
    samples: Sequence[dict[str, Any]],
    writer: Writer,
    log_ratios: Callable[[str], list[float]],
) -> dict[str, list[float]]:
    """`eval/margin/<name>`: each margin reward's value of each summary.

    Args:
        log_ratios: what `Completions.log_ratios` says of the samples.
    """
    completions = Completions(
        documents=[s["document"] for s in samples],
        texts=[s["summary"] for s in samples],
        count_tokens=lambda texts: count_tokens(texts, writer.tokenizer),
        ids=[s["id"] for s in samples],
        references=[tuple(s["references"]) for s in samples],
        log_ratios=log_ratios,
        device=str(writer.model.device),
    )
    columns = {}
    for name, reward in rewards.items():
        try:
            columns[f"eval/margin/{name}"] = reward.rewards(completions)
        except MissingColumn as missing:  # a judge's score of the data's completions says nothing of these
            log.info(f"evaluate: margin reward {name} is not measured on the generated summaries: {missing}")
    return columns


def bert_columns(
    scorer: BertScorer | None, samples: Sequence[dict[str, Any]], device: str
) -> tuple[Mapping[str, Sequence[float]], dict[str, Any] | None]:
    """BERTScore's metrics of each summary, and how they were measured; nothing and None where none is asked for."""
    if scorer is None:
        return {}, None
    if scorer.caveat:
        log.info(scorer.caveat)
    found = bert_scores(scorer, [s["summary"] for s in samples], [s["references"] for s in samples], device)
    return found.columns, measured_by(scorer, found)


def sample_log_ratios(
    writer: Writer, documents: Sequence[SummaryRow], samples: Sequence[dict[str, Any]], model: Model, cache: Path
) -> Callable[[str], list[float]]:
    """The function that gives the samples' log pi / log ref under an adapter on the writer's base."""
    base = replace(model, adapter=None)
    models = FrozenModels(cache)
    decoding = writer.decoding
    at_once = max(1, min(decoding.batch_size, decoding.batch_tokens // writer.limits.max_length))

    @lru_cache
    def log_probs(adapter: str | None) -> np.ndarray:
        """float64 [sample]: each summary's log-prob, to its end where it ended, under the base and this adapter."""
        prompts, _ = writer.prompts(documents)
        texts = [s["summary"] for s in samples]
        ready = [row.prompt for row in documents]
        whole, said = (
            completion_tokens(texts, writer.tokenizer, writer.prompt, ended=ends, ready=ready) for ends in (True, False)
        )
        completions = [one if s["ended"] else other for one, other, s in zip(whole, said, samples, strict=True)]
        columns = [Ragged.from_rows(ids, np.int32) for ids in (list(map(list, prompts)), completions)]
        rows = TokenRows(Texts.of([s["id"] for s in samples]), columns[0], (columns[1],))
        with models.on(replace(base, adapter=adapter), writer.model.device) as frozen:
            padded = partial(pad, pad_id=int(writer.tokenizer.pad_token_id))  # type: ignore[arg-type]
            (scored,) = score_completions(
                frozen, rows, batch_size=at_once, layout=padded, autocast=None, progress=False
            )
        return scored.sums()

    return lambda adapter: (log_probs(adapter) - log_probs(None)).tolist()


def evaluate(
    writer: Writer,
    documents: Sequence[SummaryRow],
    samples: Sequence[dict[str, Any]],
    rewards: dict[str, MarginReward],
    bert_scorer: BertScorer | None,
    model: Model,
    cache: Path,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What evaluation.json says of the summaries, and the samples with each metric's value.

    Args:
        samples: a line of samples.jsonl for each document, in order.
        model: what the writer was loaded from, `cache` where its files are kept.

    Raises:
        UserError: there is no document.
    """
    require(len(documents) > 0, "there is no document to summarise: the split is empty")
    log_ratios = sample_log_ratios(writer, documents, samples, model, cache)
    bert, measured = bert_columns(bert_scorer, samples, str(writer.model.device))
    columns = {**columns_of(scores_of(samples)), **bert, **margin_columns(rewards, samples, writer, log_ratios)}
    result = {
        "documents": len(samples),
        "metrics": means_of(columns),
        "intervals": {name: list(bounds) for name, bounds in intervals_of(columns).items()},
        "bertscore": measured,
        "generation": asdict(writer.decoding),
        "thoughts": asdict(thought_counts(samples)),
    }
    scored = [
        {**sample, "scores": {name: values[place] for name, values in columns.items()}}
        for place, sample in enumerate(samples)
    ]
    return result, scored
