"""`summpo judge run=DIR against=DIR teacher=openai`: how often a judge model prefers the summaries of one model."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from summpo.build import from_target
from summpo.commands.help import wants_help
from summpo.compose import compose_config, plain
from summpo.errors import require, require_number
from summpo.run_folder import require_writable, write_whole
from summpo.synthesis.bill import bill, in_words
from summpo.synthesis.budget import require_price
from summpo.synthesis.output import JOURNAL, jsonl
from summpo.synthesis.prompt_files import read_prompt
from summpo.synthesis.teacher import Teacher

if TYPE_CHECKING:
    from summpo.evaluation.judging import Comparison, Verdict
    from summpo.evaluation.results import Sample
    from summpo.synthesis.records import Rejected, Task

REFERENCE = "reference"


def run(arguments: list[str]) -> int:
    """Asks the judge about every document that both have a summary of, and says who wins how often."""
    if wants_help("judge", arguments):
        return 0
    config = compose_config("judge", ["dry_run=true" if each == "--dry-run" else each for each in arguments])
    from summpo.evaluation.judging import PLACEHOLDERS, Comparison

    require(not OmegaConf.is_missing(config, "run"), "run is required: a folder with samples.jsonl")
    teacher = from_target(config.teacher, "teacher", (Teacher,))
    prompt = read_prompt(config.prompt, "prompt", PLACEHOLDERS)
    require_number("seed", config.seed, low=0)
    require_number("max_tokens", config.max_tokens, low=1)
    if config.limit is not None:
        require_number("limit", config.limit, low=1)
    require_price(config.max_cost, teacher.prices)
    shared = shared_samples(Path(config.run), config.against)[: config.limit]
    name = config.against if config.against == REFERENCE else Path(config.against).resolve().name
    folder = Path(config.output_dir or Path(config.run) / "judged" / name)
    tasks = [
        Comparison(a.id, a.document, a.summary, b, prompt, config.both_orders, config.seed, config.max_tokens)
        for a, b in shared
    ]
    if config.dry_run:
        from summpo.synthesis.estimate import estimate

        print(f"judge: {in_words(estimate(tasks, teacher))}; nothing was sent")
        return 0
    teacher.key()
    require_writable(folder)
    return judge(config, teacher, tasks, [len(a.summary.split()) for a, _ in shared], folder)


def judge(config: DictConfig, teacher: Teacher, tasks: list[Comparison], words_a: list[int], folder: Path) -> int:
    """Asks, and writes verdicts.jsonl and judgement.json; 1 where the budget ended before the documents did."""
    from summpo.evaluation.judging import Verdict
    from summpo.synthesis.asking import ask
    from summpo.synthesis.journal import open_journal

    outcomes: dict[str, Verdict | Rejected] = {}

    def keep(task: Task[Verdict], outcome: Verdict | Rejected) -> None:
        outcomes[task.id] = outcome

    against = config.against if config.against == REFERENCE else os.path.relpath(config.against, config.run)
    asks = {"judge": {"url": teacher.url, "model": teacher.model}, "against": against}
    with open_journal(folder / JOURNAL, asks) as journal:
        asked = ask(tasks, teacher, journal, keep, max_cost=config.max_cost, seed=config.seed, total=len(tasks))
    judged = [
        (task, words, verdict)
        for task, words in zip(tasks, words_a, strict=True)
        if isinstance(verdict := outcomes.get(task.id), Verdict)
    ]
    rows = [{"id": task.id, **asdict(outcomes[task.id])} for task in tasks if task.id in outcomes]
    write_whole(folder / "verdicts.jsonl", jsonl(rows))
    print("\n".join(f"judge: {line}" for line in bill(asked, teacher.model)))
    if asked.stopped is not None:
        print(f"judge: stopped at max_cost={config.max_cost:g}; the same command with more of it goes on")
        if not judged:
            return 1
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
        "config": plain(config),
    }
    write_whole(folder / "judgement.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    for line in told(record):
        print(f"judge: {line}")
    print(f"judge: all in {folder / 'judgement.json'}")
    return 0 if asked.stopped is None else 1


def numbers(judged: list[tuple[Comparison, int, Verdict]], seed: int) -> dict[str, Any]:
    """Win rates, and how far the judge followed the order in which it saw the two."""
    import numpy as np

    from summpo.evaluation.win_rates import length_controlled, win_rate

    a_wins = np.array([verdict.a_wins for *_, verdict in judged])
    lengths_a = np.array([words for _, words, _ in judged], np.float64)
    lengths_b = np.array([len(task.b.split()) for task, *_ in judged], np.float64)
    first = [won for *_, verdict in judged for won in verdict.first_wins]
    changed = [len(v.orders) == 2 and v.first_wins[0] == v.first_wins[1] != 0.5 for *_, v in judged]
    return {
        "documents": len(judged),
        "wins": int((a_wins == 1).sum()),
        "ties": int((a_wins == 0.5).sum()),
        "losses": int((a_wins == 0).sum()),
        "win_rate": asdict(win_rate(a_wins, seed)),
        "length_controlled_win_rate": asdict(length_controlled(a_wins, lengths_a, lengths_b, seed)),
        "words_a": float(lengths_a.mean()),
        "words_b": float(lengths_b.mean()),
        "first_wins": float(np.mean(first)),
        "changed_with_order": float(np.mean(changed)) if judged[0][2].orders == ("ab", "ba") else None,
    }


def told(record: dict[str, Any]) -> list[str]:
    """The numbers for a reader."""

    def rate(name: str) -> str:
        found = record[name]
        return f"{found['value']:.1%} [{found['low']:.1%}, {found['high']:.1%}]"

    said = [
        f"{record['a']} against {record['b']} on {record['documents']} documents: {record['wins']} won, "
        f"{record['ties']} tied, {record['losses']} lost",
        f"win rate {rate('win_rate')}, at equal lengths {rate('length_controlled_win_rate')} "
        f"({record['words_a']:.0f} words against {record['words_b']:.0f})",
    ]
    followed = f"the summary that stood first won {record['first_wins']:.0%} of the time"
    if record["changed_with_order"] is not None:
        followed += f"; {record['changed_with_order']:.0%} of the verdicts changed with the order, and count as ties"
    return [*said, followed]


def shared_samples(run: Path, against: str) -> list[tuple[Sample, str]]:
    """Model A's samples, each with the summary that it is compared with, in the order of A's file.

    Raises:
        UserError: a folder has no samples, no document is in both, or one has no reference.
    """
    from summpo.evaluation.results import read_samples

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
