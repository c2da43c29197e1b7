"""From sources to <out>/documents/{train,test}.jsonl: the stages in order, gone on with where they stopped, done once.

documents/train.jsonl, test.jsonl    id, source, text, tokens, characters
documents/rejected_documents.jsonl   id, source, split, reason, detail
documents/documents.json             the counts, the settings, what they were made from; there when all is done
documents/work/                      what is between, until all is done
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from summpo.documents import PART_BYTES, DocumentSource, SourcePart, Split
from summpo.documents.executors import Executor, Stage, silent
from summpo.documents.executors.local import Local
from summpo.documents.funnel import Funnel
from summpo.documents.plan import difference, fingerprint, parts_of, require_same, settings_of
from summpo.documents.rules import DocumentRules
from summpo.documents.shards import Work
from summpo.documents.tokens import tokenizer_file
from summpo.errors import UserError, require
from summpo.files.locks import alone
from summpo.files.provenance import read_record
from summpo.runs.run_folder import require_writable, write_whole
from summpo.text.documents import Document

log = logging.getLogger(__name__)

MOST_TASKS = 500
"""Tasks of a split, unless it is set: datatrove opens a file of each task at once, and systems allow 1024."""


def prepare(
    sources: Mapping[Split, DocumentSource],
    rules: DocumentRules,
    tokenizer: Path,
    out: Path,
    executor: Executor | None = None,
    teacher_tokenizer: Path | None = None,
) -> dict[Split, Funnel] | None:
    """Makes the documents of each split that has a source, or goes on with them. One source may serve both splits.

    What was begun with other settings, or from files that have changed, starts over; what is done is never touched.

    Args:
        tokenizer: the student's: a model's folder, or a tokenizer.json.
        teacher_tokenizer: the same of the teacher; None: its tokens are counted with the student's.

    Returns:
        The funnel of each split; None where a cluster has been told to do the work and has not done it.

    Raises:
        UserError: a source, file, row or tokenizer that cannot be used; no document left; or the folder holds documents
            made with other settings or from other files.
    """
    require(bool(sources), "there is no source of documents")
    folder = out / "documents"
    require_writable(folder)
    student, teacher = tokenizer_file(tokenizer), tokenizer_file(teacher_tokenizer or tokenizer)
    chosen = settings_of(sources, rules, student, teacher)
    if (record := read_record(folder / "documents.json")) is not None:
        require_same(record, chosen, sources, folder)
        log.info(f"documents: done already with these settings, see {folder / 'documents.json'}")
        return funnels_of(record)
    executor, parts = executor or Local(), parts_of(sources)
    with alone(folder, ".lock", f"{folder}: another process is making documents here"):
        work, plan = begun(folder, chosen, parts, executor)
        try:
            is_done = executor.run(stages(sources, rules, str(student), str(teacher), work), work.path)
        except UserError:
            discard_unless_whole(work)
            raise
        if not is_done:
            return None
        return funnels_of(finished(folder, plan, work))


def documents_of_split(out: Path, split: Split) -> Iterator[Document]:
    """The documents of a split, one at a time.

    Raises:
        UserError: they are not made, or not to the end.
    """
    folder = out / "documents"
    require(read_record(folder / "documents.json") is not None, f"{folder} holds no documents that are done")
    file = folder / f"{split}.jsonl"
    require(file.exists(), f"{folder} holds no {split} documents")
    with file.open(encoding="utf-8", newline="\n") as opened:
        for line in opened:
            record = json.loads(line)
            yield Document(record["id"], record["source"], record["text"])


def stages(
    sources: Mapping[Split, DocumentSource], rules: DocumentRules, student: str, teacher: str, work: Work
) -> list[Stage]:
    """What is done one after the other."""
    with silent():
        from summpo.documents.duplicates import Signatures, exact_stage, near_stages
        from summpo.documents.filtering import Check, Filter, IndexTest, Tokenizers
        from summpo.documents.merging import Merge

        compares = rules.contamination is not None and len(work.shards) == 2
        made = []
        for split, tasks in work.shards.items():
            step = Filter(
                split, sources[split], rules, Tokenizers(student, teacher), work, compares and split == "train"
            )
            sign = [Signatures(work, work.first(split))] if rules.exact_duplicates else []
            made.append(Stage(f"filter_{split}", [step, *sign], tasks))
            if split == "test" and compares and rules.contamination:
                made.append(Stage("index_test", [IndexTest(rules.contamination, work)], 1))
        made.append(Stage("check", [Check(rules, work)], 1))
        if rules.exact_duplicates:
            made.append(Stage("exact_duplicates", exact_stage(work), 1))
        if rules.near_duplicates is not None:
            found = near_stages(rules, rules.near_duplicates, work)
            made += [Stage(name, blocks, tasks) for name, (blocks, tasks) in found.items()]
        return [*made, Stage("merge", [Merge(rules, work)], 1)]


def begun(
    folder: Path, chosen: dict[str, Any], parts: Mapping[Split, list[SourcePart]], executor: Executor
) -> tuple[Work, dict[str, Any]]:
    """The work folder of these settings and files, with the number of tasks that it was begun with, and what they are.

    Raises:
        UserError: jobs on other settings or files are under way; or the folder holds documents of unknown origin.
    """
    path = (folder / "work").resolve()
    plan = {"settings": chosen, "made_from": {split: fingerprint(found) for split, found in parts.items()}}
    begun_with = read_record(path / "plan.json")
    if begun_with is not None:
        changed = difference(begun_with, plan)
        if changed is None:
            return Work(path, begun_with["shards"]), plan
        require(
            not (path / "submitted.json").exists(),
            f"jobs are at work in {path}, where {changed}: choose another output_dir, or stop them and take it away",
        )
        log.info(f"documents: {changed} since {path} was begun; starting over")
    elif leftovers := sorted(file.name for file in folder.glob("*.jsonl")):
        raise UserError(
            f"{folder} holds {leftovers[0]} and nothing that says how it was made: choose another output_dir"
        )
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    work = Work(path, {split: tasks_of(found, executor) for split, found in parts.items()})
    for split, found in parts.items():
        write_whole(work.parts(split), json.dumps([asdict(part) for part in found]))
    write_whole(path / "plan.json", json.dumps({**plan, "shards": work.shards}))
    return work, plan


def finished(folder: Path, plan: dict[str, Any], work: Work) -> dict[str, Any]:
    """Puts what is done into its place and takes the work away; what it says in documents.json."""
    counts = json.loads((work.merged / "counts.json").read_text("utf-8"))
    names = {f"{split}.jsonl": f"{split}.jsonl" for split in work.shards} | {
        "rejected.jsonl": "rejected_documents.jsonl"
    }
    for source, target in names.items():
        if (work.merged / source).exists():  # else moved, by a process that was stopped then
            os.replace(work.merged / source, folder / target)
    record = {"counts": counts, **plan}
    write_whole(folder / "documents.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(work.path, ignore_errors=True)
    return record


def funnels_of(record: dict[str, Any]) -> dict[Split, Funnel]:
    """The funnels of documents.json, train first."""
    return {
        split: Funnel.from_json(record["counts"][split]) for split in ("train", "test") if split in record["counts"]
    }


def tasks_of(parts: list[SourcePart], executor: Executor) -> int:
    """How many tasks read a split: what the executor says, or one for about `PART_BYTES`."""
    by_size = -(-sum(part.size for part in parts) // PART_BYTES)
    wanted = min(by_size, MOST_TASKS) if executor.tasks is None else executor.tasks
    return max(1, min(wanted, len(parts)))


def discard_unless_whole(work: Work) -> None:
    """Takes away what a fault has stopped, unless a task of it is done or a cluster is at it: that is gone on from."""
    if not any(work.path.glob("logs/*/completions/*")) and not (work.path / "submitted.json").exists():
        shutil.rmtree(work.path, ignore_errors=True)
