"""`summpo judge run=DIR against=DIR teacher=openai`: how often a judge model prefers the summaries of one model."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from summpo.commands.compose import compose_config
from summpo.commands.help import wants_help
from summpo.config.nodes import from_target
from summpo.config.tree import plain
from summpo.errors import require, require_field, require_number
from summpo.files.provenance import Provenance
from summpo.runs.run_folder import require_writable, write_whole
from summpo.synthesis.output import JOURNAL, jsonl
from summpo.synthesis.prompt_files import in_json, read_prompt
from summpo.teacher.bill import bill, in_words
from summpo.teacher.budget import require_price
from summpo.teacher.records import requests_in
from summpo.teacher.teacher import Teacher
from summpo.text.words import count_words

if TYPE_CHECKING:
    from summpo.evaluation.judging import Judgement, JudgeTask
    from summpo.evaluation.sample_lines import Sample
    from summpo.teacher.journal import Journal
    from summpo.teacher.records import Task
    from summpo.text.documents import Rejected

REFERENCE = "reference"


def run(arguments: list[str]) -> int:
    """Asks the judge about every document that both have a summary of, and says who wins how often."""
    if wants_help("judge", arguments):
        return 0
    config = compose_config("judge", ["dry_run=true" if each == "--dry-run" else each for each in arguments])
    from summpo.evaluation.judging import PLACEHOLDERS, JudgeTask

    require(not OmegaConf.is_missing(config, "run"), "run is required: a folder with samples.jsonl")
    teacher = from_target(config.teacher, "teacher", (Teacher,))
    prompt = read_prompt(in_json(config.prompt, config.json_schema), "prompt", PLACEHOLDERS)
    asks_for_json = not config.json_schema or "json" in prompt.text.lower()
    sentence = f"json_schema=true needs a prompt that asks for JSON, and {prompt.name} does not: see judge_json"
    require_field("prompt", asks_for_json, sentence)
    require_number("seed", config.seed, low=0)
    require_number("max_tokens", config.max_tokens, low=1)
    require_number("thought_tokens", config.thought_tokens, low=0)
    if config.temperature is not None:
        require_number("temperature", config.temperature, low=0, high=2)
    if config.limit is not None:
        require_number("limit", config.limit, low=1)
    require_price(config.max_cost, teacher.prices)
    shared = shared_samples(Path(config.run), config.against)
    name = config.against if config.against == REFERENCE else Path(config.against).resolve().name
    folder = Path(config.output_dir or Path(config.run) / "judged" / name)
    most = config.max_tokens + config.thought_tokens
    tasks = [
        JudgeTask(
            a.id, a.document, a.summary, b, prompt, config.both_orders, config.seed, most, config.temperature,
            config.json_schema,
        )
        for a, b in shared
    ]  # fmt: skip
    if config.dry_run:
        return say_cost(config, teacher, tasks, folder)
    teacher.key()
    require_writable(folder)
    return judge(config, teacher, tasks, {a.id: count_words(a.summary) for a, _ in shared}, folder)


def say_cost(config: DictConfig, teacher: Teacher, tasks: list[JudgeTask], folder: Path) -> int:
    """Says what is still to be asked, and what it may cost."""
    from summpo.teacher.estimate import estimate
    from summpo.teacher.journal import open_journal

    file = folder / JOURNAL
    with (
        open_journal(file, request_settings(config, teacher, tasks, folder))
        if file.exists()
        else nullcontext() as journal
    ):
        found = estimate(within(config.limit, tasks, teacher, journal), teacher, journal=journal)
    print(f"judge: {in_words(found)}; nothing was sent")
    return 0


def request_settings(config: DictConfig, teacher: Teacher, tasks: list[JudgeTask], folder: Path) -> Provenance:
    """What makes questions what they are, and a journal theirs. Folders and an endpoint may move: answers are paid."""
    is_folder = config.against != REFERENCE
    settings = {
        "run": os.path.relpath(config.run, folder),
        "against": os.path.relpath(config.against, config.run) if is_folder else REFERENCE,
        "judge": {"model": teacher.model},
        "prompt": tasks[0].prompt.hash,
        "both_orders": config.both_orders,
        "seed": config.seed,
        "max_tokens": tasks[0].max_tokens,
        # what is usual is unsaid, as in the journals of before
        "temperature": "left out" if config.temperature is None else config.temperature or None,
        "json_schema": config.json_schema or None,
        "extra_body": teacher.extra_body,
    }
    return Provenance(settings)


def within(
    limit: int | None, tasks: list[JudgeTask], teacher: Teacher, journal: Journal | None = None
) -> list[JudgeTask]:
    """The first of the tasks, and those that the journal answers: what is paid is no more lost by a smaller limit."""
    from summpo.evaluation.resampling import documents_in_words

    most = len(tasks) if limit is None else limit
    beyond = [task for task in tasks[most:] if journal is not None and is_answered(task, teacher, journal)]
    if beyond:
        print(f"judge: beyond limit={limit}, what was judged before is kept: {documents_in_words(len(beyond))}")
    return tasks[:most] + beyond


def is_answered(task: JudgeTask, teacher: Teacher, journal: Journal) -> bool:
    """Whether the journal has all that the judge said of it."""
    return all(journal.past(teacher.key_of(request)).answer for request in requests_in(task.proceed({})))


def judge(config: DictConfig, teacher: Teacher, tasks: list[JudgeTask], words_a: dict[str, int], folder: Path) -> int:
    """Asks, and writes verdicts.jsonl and judgement.json; 1 where the budget ended before the documents did."""
    from summpo.evaluation.judgement import judgement_lines, numbers
    from summpo.evaluation.judging import Judgement
    from summpo.teacher.asking import ask
    from summpo.teacher.journal import open_journal

    outcomes: dict[str, Judgement | Rejected] = {}

    def keep(task: Task[Judgement], outcome: Judgement | Rejected) -> None:
        outcomes[task.id] = outcome

    with open_journal(folder / JOURNAL, request_settings(config, teacher, tasks, folder)) as journal:
        tasks = within(config.limit, tasks, teacher, journal)
        asked = ask(tasks, teacher, journal, keep, max_cost=config.max_cost, seed=config.seed, total=len(tasks))
    judged = [
        (task, words_a[task.id], verdict) for task in tasks if isinstance(verdict := outcomes.get(task.id), Judgement)
    ]
    rows = [{"id": task.id, **asdict(outcomes[task.id])} for task in tasks if task.id in outcomes]
    write_whole(folder / "verdicts.jsonl", jsonl(rows))
    print("\n".join(f"judge: {line}" for line in bill(asked, teacher.model)))
    if asked.stopped is not None:
        print(f"judge: stopped at max_cost={config.max_cost:g}; the same command with more of it goes on")
        if not judged:
            return 1
    if not judged:
        (folder / "judgement.json").unlink(missing_ok=True)  # of what an older reader took for verdicts
    require(
        bool(judged),
        f"the judge decided on none of {len(tasks)} documents: {asked.rejected}, see {folder / 'verdicts.jsonl'}",
    )
    record = {
        "status": asked.stopped or "done",
        "a": str(config.run),
        "b": config.against,
        "judge": teacher.model,
        "prompt_sha256": tasks[0].prompt.hash,
        **numbers(judged, config.seed),
        "undecided": asked.rejected,
        "dollars": asked.cost,
        "tokens": asdict(asked.spent.paid),
        "tokens_uncounted": asdict(asked.spent.uncounted),
        "config": plain(config),
    }
    write_whole(folder / "judgement.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    for line in judgement_lines(record):
        print(f"judge: {line}")
    print(f"judge: all in {folder / 'judgement.json'}")
    return 0 if asked.stopped is None else 1


def shared_samples(run: Path, against: str) -> list[tuple[Sample, str]]:
    """Model A's samples, each with the summary that it is compared with, in the order of A's file.

    Raises:
        UserError: a folder has no samples, no document is in both, or one has no reference.
    """
    from summpo.evaluation.sample_lines import read_samples

    found = read_samples(run / "samples.jsonl")
    require(bool(found), f"{run} has no samples.jsonl: `summpo evaluate` or `summpo generate` writes it")
    if against == REFERENCE:
        lacking = next((sample.id for sample in found if not sample.references), None)
        require(lacking is None, f"{run / 'samples.jsonl'}: document {lacking} has no reference to be compared with")
        return [(sample, sample.references[0]) for sample in found]
    others = {sample.id: sample for sample in read_samples(Path(against) / "samples.jsonl")}
    require(bool(others), f"{against} has no samples.jsonl: `summpo evaluate` or `summpo generate` writes it")
    both = [(sample, others[sample.id].summary) for sample in found if sample.id in others]
    require(bool(both), f"{run} and {against} have no document in common")
    differs = next((sample.id for sample, _ in both if others[sample.id].document != sample.document), None)
    require(differs is None, f"document {differs} is another text in {against} than in {run}")
    return both
