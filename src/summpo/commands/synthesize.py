"""`summpo synthesize documents=jsonl documents.path=FILE teacher=openai output_dir=DIR`: documents in, pairs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from summpo.build import from_fields, from_target
from summpo.commands.help import wants_help
from summpo.compose import compose_config, plain
from summpo.datasets import SPLITS
from summpo.errors import FieldError, UserError, require, require_choice, require_number
from summpo.made_from import already
from summpo.models import Model
from summpo.run_folder import require_writable
from summpo.synthesis.bill import bill, in_words
from summpo.synthesis.budget import require_price
from summpo.synthesis.documents import DocumentSource, Split
from summpo.synthesis.documents.executors import Executor
from summpo.synthesis.documents.rules import Contamination, DocumentRules, NearDuplicates, SplitRules
from summpo.synthesis.filters import Filters
from summpo.synthesis.hub import hub_token, push_to_hub
from summpo.synthesis.modes import Mode
from summpo.synthesis.output import CARD, FORMATS, JOURNAL, MANIFEST, PICTURE, REJECTED, SplitShares
from summpo.synthesis.teacher import Teacher

if TYPE_CHECKING:
    from summpo.synthesis.asking import Asked
    from summpo.synthesis.card import Synthesis
    from summpo.synthesis.documents.funnel import Funnel


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


def run(arguments: list[str]) -> int:
    """Prepares documents, asks the teacher, filters, and writes a data set; or says that all is done."""
    if wants_help("synthesize", arguments):
        return 0
    config = compose_config("synthesize", ["dry_run=true" if each == "--dry-run" else each for each in arguments])
    parts = synthesis_parts(config)
    prompts = {step: prompt.hash for step, prompt in parts.mode.prompts().items()}
    require(not OmegaConf.is_missing(config, "output_dir"), "output_dir is required: the folder of the pairs")
    folder = Path(config.output_dir)
    require_writable(folder)
    require_own(folder)
    if not config.dry_run:
        parts.teacher.key()
        if config.push_to_hub is not None:
            hub_token(config.push_to_hub)

    from summpo.models.sources import check_paths, resolve
    from summpo.synthesis.documents.funnel import lines
    from summpo.synthesis.documents.prepare import prepare, read

    check_paths(parts.model)
    tokenizer = resolve(parts.model, Path(config.cache_dir))
    funnels = prepare(parts.sources, parts.rules, tokenizer, folder, parts.executor)
    if funnels is None:
        print("synthesize: the documents are not prepared yet; give the same command again when the jobs are done")
        return 1
    for line in lines(funnels, {split: parts.rules.of(split).quotas for split in funnels}):
        print(f"documents: {line}")
    if config.dry_run:
        from summpo.synthesis.collecting import estimated

        found = estimated(
            (document for split in funnels for document in read(folder, split)), parts.mode, parts.teacher
        )
        print(f"synthesize: {in_words(found)}; nothing was sent")
        return 0
    settings = {key: value for key, value in plain(config).items() if key not in ("max_cost", "dry_run", "cache_dir")}
    made_from = {"prompts": prompts, "documents": (folder / "documents" / "documents.json").read_text("utf-8")}
    if already(folder / MANIFEST, settings, made_from):
        print(f"synthesize: done already with these settings, see {folder / MANIFEST}")
        return 0
    return finish(config, parts, funnels, folder, settings, made_from)


def require_own(folder: Path) -> None:
    """Refuses a folder with files that would be replaced and that no synthesis left there: raw documents, say.

    Raises:
        UserError: naming the first.
    """
    is_ours = any((folder / name).exists() for name in (MANIFEST, JOURNAL))
    names = [f"{split}.{form}" for split in SPLITS for form in FORMATS] + [REJECTED, CARD, PICTURE]
    found = next((name for name in names if (folder / name).exists()), None)
    require(
        is_ours or found is None,
        f"{folder / str(found)} is not of a synthesis: choose another output_dir for the pairs",
    )


def finish(
    config: DictConfig,
    parts: SynthesisParts,
    funnels: Mapping[Split, Funnel],
    folder: Path,
    settings: dict[str, Any],
    made_from: dict[str, Any],
) -> int:
    """Asks, and writes what came of it; 1 where the budget ended before the documents did."""
    from summpo.synthesis.collecting import collect
    from summpo.synthesis.data_set import write, write_manifest
    from summpo.synthesis.documents.prepare import read
    from summpo.synthesis.journal import open_journal

    asks = {
        "teacher": {"url": parts.teacher.url, "model": parts.teacher.model},
        "mode": settings["mode"],
        "prompts": made_from["prompts"],
    }
    total = sum(funnel.kept for funnel in funnels.values())
    with open_journal(folder / JOURNAL, asks) as journal:
        collected, asked = collect(
            {split: read(folder, split) for split in funnels},
            total, parts.mode, parts.teacher, journal, config.max_cost, config.seed,
        )  # fmt: skip
    about = {
        "name": folder.resolve().name,
        "teacher": parts.teacher.model,
        "mode": OmegaConf.to_container(config.mode)["_target_"].rsplit(".", 2)[-2],  # type: ignore[index,call-overload]
        "settings": flat({"mode": settings["mode"], "filters": settings["filters"]}),
        "prompts": made_from["prompts"],
    }
    path = config.push_to_hub or str(folder)
    made = write(folder, funnels, collected, asked, parts.filters, parts.shares, config.format, about, path)
    stopped = asked.stopped is not None
    unanswered = asked.rejected.get("unanswered", 0)
    is_done = bool(made.splits) and not stopped and not unanswered
    record = {"config": settings, "made_from": made_from} if is_done else {}
    write_manifest(folder, made, asked, record)
    print("\n".join(told(made, asked)))
    if stopped:
        print(f"synthesize: stopped at max_cost={config.max_cost:g}; the same command with more of it goes on")
        return 1
    if not made.splits:
        print(f"synthesize: not one pair came of it; {folder / REJECTED} holds every answer and why it was rejected")
        return 1
    if unanswered:
        print(f"synthesize: {unanswered} documents had no answer; the same command asks for them again")
        return 1
    if config.push_to_hub is not None:
        files = [f"{split}.{config.format}" for split in made.splits] + [CARD, PICTURE]
        print(f"synthesize: uploaded to {push_to_hub(folder, config.push_to_hub, files)}")
    print(f"synthesize: done; read them with dataset=jsonl dataset.path={folder}, see {folder / CARD}")
    return 0


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


def flat(settings: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """{"mode": {"temperature": 0.7}} as {"mode.temperature": 0.7}; targets are left out."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{under}{key}.")
        elif key != "_target_":
            found[f"{under}{key}"] = value
    return found


def told(made: Synthesis, asked: Asked) -> list[str]:
    """What the command says in the end: the funnel, the balance of each split, the bill."""
    said = []
    for stage in made.stages:
        why = ", ".join(f"{reason} {count:,}" for reason, count in stage.rejected)
        said.append(f"{stage.name}: {stage.passed:,} of {stage.came:,}" + (f" ({why})" if why else ""))
    for split, part in made.splits.items():
        said.append(
            f"{split}: {part.pairs:,} pairs, the longer chosen in {part.longer_chosen:.0%}, the first written in "
            f"{part.first_chosen:.0%}; {part.words_chosen:.0f} words chosen, {part.words_rejected:.0f} rejected"
        )
    return [*said, *bill(asked, made.teacher)]
