"""From the configuration of a command that writes summaries to what it needs: model, data, prompt, decoding."""

from __future__ import annotations

from dataclasses import dataclass, replace

from omegaconf import DictConfig

from summpo.config.nodes import from_fields, from_target
from summpo.datasets import SPLITS, SummaryDataset
from summpo.errors import require_choice, require_number
from summpo.models import Model
from summpo.text.prompts import Prompt, require_template
from summpo.text.tokens import Limits
from summpo.writing.decoding import Decoding, require_backend
from summpo.writing.long_documents import LongDocuments


@dataclass(frozen=True)
class WritingParts:
    """What it takes to write summaries of a data set's documents, before anything is loaded."""

    model: Model
    dataset: SummaryDataset
    prompt: Prompt
    limits: Limits
    decoding: Decoding
    long: LongDocuments


def writing_parts(config: DictConfig) -> WritingParts:
    """Every object of a command that writes summaries, each guarded.

    Raises:
        UserError: one sentence with the key and the value.
    """
    require_number("seed", config.seed, low=0)
    require_choice("accelerator", config.accelerator, ("cpu", "gpu", "auto"))
    if "split" in config:
        require_choice("split", config.split, SPLITS)
    prompt = from_fields(Prompt, config.prompt, "prompt")
    decoding = from_fields(Decoding, config.generation, "generation")
    require_backend(decoding)
    return WritingParts(
        model=from_target(config.model, "model", (Model,)),
        dataset=from_target(config.dataset, "dataset", (SummaryDataset,)),
        prompt=prompt,
        limits=from_fields(Limits, config.tokens, "tokens"),
        decoding=decoding,
        long=long_documents(config, prompt) if "long_documents" in config else LongDocuments(),
    )


def long_documents(config: DictConfig, prompt: Prompt) -> LongDocuments:
    """What is done with documents that do not fit.

    Raises:
        UserError: an unknown way, or a template without {document}.
    """
    settings = config.map_reduce
    for key in ("part_template", "join_template"):
        require_template(settings[key], f"map_reduce.{key}")
    return LongDocuments(
        how=config.long_documents,
        part=replace(prompt, template=settings.part_template),
        join=replace(prompt, template=settings.join_template),
        part_max_new_tokens=settings.part_max_new_tokens,
    )
