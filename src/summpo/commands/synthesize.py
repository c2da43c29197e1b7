"""`summpo synthesize documents=jsonl documents.path=FILE teacher=openai output_dir=DIR`: documents in, pairs out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from summpo.commands.compose import compose_config
from summpo.commands.help import wants_help
from summpo.commands.synthesis_settings import SynthesisParts, synthesis_parts
from summpo.config.tree import plain
from summpo.datasets import SPLITS
from summpo.documents import Split
from summpo.errors import require
from summpo.files.provenance import Provenance
from summpo.runs.finished import is_finished
from summpo.runs.run_folder import require_writable
from summpo.synthesis.hub import hub_token, push_to_hub
from summpo.synthesis.modes import Mode
from summpo.synthesis.output import CARD, FORMATS, JOURNAL, MANIFEST, PICTURE, REJECTED
from summpo.teacher.bill import bill, in_words
from summpo.text.documents import Document

if TYPE_CHECKING:
    from summpo.documents.funnel import Funnel
    from summpo.synthesis.card import Synthesis
    from summpo.teacher.asking import Asked


def run(arguments: list[str]) -> int:
    """Prepares documents, asks the teacher, filters, and writes a data set; or says that all is done."""
    if wants_help("synthesize", arguments):
        return 0
    config = compose_config("synthesize", ["dry_run=true" if each == "--dry-run" else each for each in arguments])
    parts = synthesis_parts(config)
    parts.mode.prompts()
    require(not OmegaConf.is_missing(config, "output_dir"), "output_dir is required: the folder of the pairs")
    folder = Path(config.output_dir)
    require_writable(folder)
    require_own(folder)
    if not config.dry_run:
        parts.teacher.key()
        if config.push_to_hub is not None:
            hub_token(config.push_to_hub)

    from summpo.documents.funnel import lines
    from summpo.documents.prepare import documents_of_split, prepare
    from summpo.models.weights.sources import check_paths, resolve

    check_paths(parts.model)
    tokenizer = resolve(parts.model, Path(config.cache_dir))
    funnels = prepare(parts.sources, parts.rules, tokenizer, folder, parts.executor)
    if funnels is None:
        print("synthesize: the documents are not prepared yet; give the same command again when the jobs are done")
        return 1
    for line in lines(funnels, {split: parts.rules.of(split).quotas for split in funnels}):
        print(f"documents: {line}")
    if config.dry_run:
        documents = (document for split in funnels for document in documents_of_split(folder, split))
        return say_cost(config, parts, documents, folder)
    settings = {key: value for key, value in plain(config).items() if key not in ("max_cost", "dry_run", "cache_dir")}
    documents = (folder / "documents" / "documents.json").read_text("utf-8")
    made_from = {"prompts": hashes(parts.mode), "documents": documents}
    provenance = Provenance({"config": settings, "made_from": made_from})
    if is_finished(folder / MANIFEST, provenance):
        print(f"synthesize: done already with these settings, see {folder / MANIFEST}")
        return 0
    return finish(config, parts, funnels, folder, provenance)


def say_cost(config: DictConfig, parts: SynthesisParts, documents: Iterable[Document], folder: Path) -> int:
    """Says what is still to be asked, and what it may cost."""
    from summpo.synthesis.collecting import estimated
    from summpo.teacher.journal import open_journal

    has_journal = (folder / JOURNAL).exists()
    with open_journal(folder / JOURNAL, request_settings(config, parts)) if has_journal else nullcontext() as journal:
        found = estimated(documents, parts.mode, parts.teacher, journal)
    print(f"synthesize: {in_words(found)}; nothing was sent")
    return 0


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


def hashes(mode: Mode) -> dict[str, str]:
    """What each prompt says, as hex, by the step that asks with it."""
    return {step: prompt.hash for step, prompt in mode.prompts().items()}


def request_settings(config: DictConfig, parts: SynthesisParts) -> Provenance:
    """What makes requests what they are, and a journal theirs. An endpoint may move: its answers are paid."""
    mode, extra = plain(config)["mode"], parts.teacher.extra_body
    mode |= {"json_schema": mode.get("json_schema") or None}  # unsaid, as in the journals of before
    teacher = {"model": parts.teacher.model, "extra_body": extra}
    return Provenance({"teacher": teacher, "mode": mode, "prompts": hashes(parts.mode)})


def finish(
    config: DictConfig,
    parts: SynthesisParts,
    funnels: Mapping[Split, Funnel],
    folder: Path,
    provenance: Provenance,
) -> int:
    """Asks, writes what came of it and uploads it; 1 where the budget ended first, or nothing came of it."""
    from summpo.documents.prepare import documents_of_split
    from summpo.synthesis.collecting import collect
    from summpo.synthesis.data_set import write, write_manifest
    from summpo.teacher.attempts import LOST
    from summpo.teacher.journal import open_journal

    settings = provenance.inputs["config"]
    total = sum(funnel.kept for funnel in funnels.values())
    with open_journal(folder / JOURNAL, request_settings(config, parts)) as journal:
        collected, asked = collect(
            {split: documents_of_split(folder, split) for split in funnels},
            total, parts.mode, parts.teacher, journal, config.max_cost, config.seed,
        )  # fmt: skip
    about = {
        "name": folder.resolve().name,
        "teacher": parts.teacher.model,
        "mode": OmegaConf.to_container(config.mode)["_target_"].rsplit(".", 2)[-2],  # type: ignore[index,call-overload]
        "settings": flat({"mode": settings["mode"], "filters": settings["filters"]}),
        "prompts": provenance.inputs["made_from"]["prompts"],
    }
    path = config.push_to_hub or str(folder)
    made = write(folder, funnels, collected, asked, parts.filters, parts.shares, config.format, about, path)
    print("\n".join(summary_lines(made, asked)))
    files = [f"{split}.{config.format}" for split in made.splits] + [CARD, PICTURE]
    why_open = unfinished(config, made, asked, folder)
    if why_open is not None:
        status, sentence = why_open
        write_manifest(folder, status, made, asked, {})
        print(f"synthesize: {sentence}")
        return 1
    if config.push_to_hub is not None:  # before the manifest says done: one that fails is tried again
        print(f"synthesize: uploaded to {push_to_hub(folder, config.push_to_hub, files)}")
    write_manifest(folder, "done", made, asked, {**provenance.inputs, "files": files})
    if lost := asked.rejected.get(LOST, 0):
        print(
            f"synthesize: {lost} documents' answers were lost and may be paid; a higher teacher.max_paid_retries asks "
            "again"
        )
    print(f"synthesize: done; read them with dataset=jsonl dataset.path={folder}, see {folder / CARD}")
    return 0


def unfinished(config: DictConfig, made: Synthesis, asked: Asked, folder: Path) -> tuple[str, str] | None:
    """The manifest's status and the sentence of a run that the same command goes on with; None where all is done."""
    from summpo.teacher.attempts import UNANSWERED

    if asked.stopped is not None:
        return "max_cost", f"stopped at max_cost={config.max_cost:g}; the same command with more of it goes on"
    if not made.splits:
        return "no_pairs", f"not one pair came of it; {folder / REJECTED} says why, with every answer"
    if open_ones := asked.rejected.get(UNANSWERED, 0):
        return "unanswered", f"{open_ones} documents had no answer; the same command asks for them again"
    return None


def flat(settings: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """{"mode": {"temperature": 0.7}} as {"mode.temperature": 0.7}; targets are left out."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{under}{key}.")
        elif key != "_target_":
            found[f"{under}{key}"] = value
    return found


def summary_lines(made: Synthesis, asked: Asked) -> list[str]:
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
