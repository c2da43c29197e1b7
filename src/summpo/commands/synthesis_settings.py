"""The objects of a synthesis from its composed configuration, each guarded: documents, rules, teacher, mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from omegaconf import DictConfig

from summpo.config.nodes import from_fields, from_target
from summpo.documents import DocumentSource, Split
from summpo.documents.executors import Executor
from summpo.documents.rules import Contamination, DocumentRules, NearDuplicates, SplitRules
from summpo.errors import FieldError, UserError, require, require_choice, require_number
from summpo.models import Model
from summpo.synthesis.filters import Filters
from summpo.synthesis.modes import Mode
from summpo.synthesis.output import FORMATS, SplitShares
from summpo.teacher.budget import require_price
from summpo.teacher.teacher import Teacher


@dataclass(frozen=True)
class SynthesisParts:
    """What it takes to make pairs of documents, before anything is read or sent."""

    sources: Mapping[Split, DocumentSource]
    rules: DocumentRules
    executor: Executor
    model: Model
    teacher: Teacher
    mode: Mode
    filters: Filters
    shares: SplitShares


def synthesis_parts(config: DictConfig) -> SynthesisParts:
    """Every object of the command, each guarded.

    Raises:
        UserError: one sentence with the key and the value.
    """
    require_number("seed", config.seed, low=0)
    require_choice("format", config.format, FORMATS)
    teacher = from_target(config.teacher, "teacher", (Teacher,))
    require_price(config.max_cost, teacher.prices)
    source = from_target(config.documents, "documents", (DocumentSource,))
    sources: dict[Split, DocumentSource] = {"train": source}
    if config.test_documents is not None:
        sources["test"] = test_source(source, config.test_documents)
    return SynthesisParts(
        sources=sources,
        rules=rules_of(config.rules),
        executor=from_target(config.executor, "executor", (Executor,)),
        model=from_target(config.model, "model", (Model,)),
        teacher=teacher,
        mode=from_target(config.mode, "mode", (Mode,)),
        filters=from_fields(Filters, config.filters, "filters"),
        shares=from_fields(SplitShares, config.splits, "splits"),
    )


def test_source(source: Any, given: Any) -> DocumentSource:
    """The source of train documents, read from elsewhere, with what else is said to differ there.

    Raises:
        UserError: an option that the source does not have, or a value that it refuses.
    """
    options = {str(key): value for key, value in given.items()} if isinstance(given, DictConfig) else {"path": given}
    known = [field.name for field in fields(source)]
    odd = next((str(name) for name in options if name not in known), None)
    require(odd is None, f"unknown option test_documents.{odd}; test_documents has {', '.join(known)}")
    try:
        return replace(source, **options)
    except UserError as error:
        raise UserError(str(error).replace("documents.", "test_documents.")) from None


def rules_of(node: DictConfig) -> DocumentRules:
    """The rules on documents, nested as their configuration is."""
    nested: dict[str, type] = {
        "train": SplitRules, "test": SplitRules, "near_duplicates": NearDuplicates, "contamination": Contamination,
    }  # fmt: skip
    values = {str(key): value for key, value in node.items() if key not in nested}
    for key, made in nested.items():
        values[key] = None if node[key] is None else guarded(f"rules.{key}", from_fields, made, node[key])
    try:
        return DocumentRules(**values)
    except FieldError as error:
        raise error.under("rules") from None


def guarded(key: str, make: Callable[..., Any], made: type, node: DictConfig) -> Any:
    """What is made of a node, whose own guards know no more than their fields' names."""
    try:
        return make(made, node, key)
    except FieldError as error:
        raise (error if error.key.startswith(key) else error.under(key)) from None
