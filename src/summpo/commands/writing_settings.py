"""From the configuration of a command that writes summaries to what they are written from."""

from __future__ import annotations

import sys
from dataclasses import replace

from omegaconf import DictConfig

from summpo.config.nodes import from_fields, from_target
from summpo.datasets import SummaryDataset
from summpo.models import Model
from summpo.text.prompts import Prompt, require_template
from summpo.text.tokens import Limits
from summpo.writing.decoding import Decoding
from summpo.writing.long_documents import LongDocuments
from summpo.writing.settings import WritingSettings


def writing_settings(config: DictConfig) -> WritingSettings:
    """What a command that writes summaries writes them from, each part guarded.

    Raises:
        UserError: one sentence with the key and the value.
    """
    prompt = from_fields(Prompt, config.prompt, "prompt")
    return WritingSettings(
        model=from_target(config.model, "model", (Model,)),
        dataset=from_target(config.dataset, "dataset", (SummaryDataset,)),
        prompt=prompt,
        tokens=from_fields(Limits, config.tokens, "tokens"),
        generation=from_fields(Decoding, config.generation, "generation"),
        long=long_documents(config, prompt) if "long_documents" in config else LongDocuments(),
        split=config.split if "split" in config else "test",
        input=config.input if "input" in config else None,
        seed=config.seed,
        accelerator=config.accelerator,
        cache_dir=config.cache_dir,
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


def say_of_stdin(settings: WritingSettings) -> None:
    """Says that a document is waited for, to who sits before an empty screen."""
    if settings.input == "-" and sys.stdin.isatty():
        print("generate: reads a document from stdin, up to Ctrl-D", file=sys.stderr)
