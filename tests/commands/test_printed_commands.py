"""Every command line that a yaml, a docstring or the README prints does what it says: each is run, on few and small things.

Of lines that differ in the plug-in alone one is run, and all in the storm.

A line is run as it is printed but for what makes it small (`SMALL`), for the tiny model in place of a large one and a
folder in place of a Hub id. What it reads of earlier lines (outputs/sft) or leaves to the reader (FOLDER) lies in `world`.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands.test_synthesize import document, teacher_says
from summpo.commands import COMMANDS, main
from summpo.commands.run import read_chain
from summpo.config.tree import conf_dir
from support.command_lines import check
from support.fault_server import MODEL, FaultServer
from support.train_runs import WORDS

REPOSITORY = Path(__file__).resolve().parents[2]
PRINTED = re.compile(r"(?:python train\.py|summpo (?:" + "|".join(COMMANDS) + r"))(?: [^`\n]*)?")
SMALL = {
    "train": {
        "trainer.max_steps": 1, "trainer.accelerator": "cpu", "trainer.devices": 1, "trainer.strategy": "auto",
        "trainer.num_nodes": 1, "trainer.enable_progress_bar": False, "validation.samples": 0, "validation.rows": 2,
        "validation.times": 1, "batch_size": 2, "lora.r": 2, "tokens.max_length": 480, "model.attention": "sdpa",
        "tokens.too_long": "truncate_document", "dataset.limit": 4, "compile": False, "cache_dir": "cache",
    },
    "inspect": {"cache_dir": "cache", "tokens.max_length": 480, "tokens.too_long": "truncate_document", "dataset.limit": 8},
    "evaluate": {"generation.max_new_tokens": 4, "bertscore.path": None, "cache_dir": "cache"},
    "generate": {"generation.max_new_tokens": 4, "tokens.max_length": 480, "cache_dir": "cache"},
    "pairs": {"cache_dir": "cache", "generation.max_new_tokens": 4, "documents.train": 4, "documents.validation": 4, "min_difference": 0,
              "cut_samples": "keep"},
    "synthesize": {"rules.train.min_tokens": 50, "rules.train.max_tokens": 3000, "rules.near_duplicates": None},
    "judge": {}, "merge": {"cache_dir": "cache"}, "compare": {}, "report": {},
}  # fmt: skip
"""What makes a command's work small: few steps, short texts, this processor."""
SMALLER_MODEL = ("train", "inspect", "synthesize")
RUN_ELSEWHERE = ("qwen2_summarize", "modpo_safety", "modpo_tldr_llama2_7b")
"""The chains that run whole in tests/commands/test_experiments.py."""


def in_yaml() -> Iterator[tuple[str, str]]:
    for file in sorted(conf_dir().rglob("*.yaml")):
        for line in file.read_text("utf-8").splitlines():
            found = PRINTED.search(line)
            if line.startswith("# ") and found and len(found[0].split()) > 2:
                yield str(file.relative_to(conf_dir())), found[0]


def in_docstrings() -> Iterator[tuple[str, str]]:
    for file in sorted((REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for line in re.findall(r"`([^`]+)`", ast.get_docstring(node) or ""):
                    if PRINTED.fullmatch(line) and len(line.split()) > 2:
                        yield file.name, line


def in_readme() -> Iterator[tuple[str, str]]:
    for block in re.findall(r"```bash\n(.*?)```", (REPOSITORY / "README.md").read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            if PRINTED.match(line):
                yield "README.md", line.split("  #")[0].strip()


def stages_of(line: str) -> list[str]:
    """The command lines of a chain's stages."""
    _, _, name, *options = shlex.split(line)
    _, stages = read_chain(conf_dir() / "chain" / f"{name}.yaml", options)
    return [f"summpo {stage.command}" for stage in stages]


PLACES = (in_readme, in_yaml, in_docstrings)
PRINTED_LINES = list(dict.fromkeys(line.rstrip(". ") for where in PLACES for _, line in where()))
CHAINS = [line for line in PRINTED_LINES if line.startswith("summpo run ") and line.split()[2] not in RUN_ELSEWHERE]
LINES = [line for line in PRINTED_LINES if not line.startswith("summpo run ")]
PLUG_INS = {"objective", "margin_reward", "w"}
"""Keys whose values choose a plug-in; tests/training/test_every_combination.py takes a step of each as well."""


def of_plug_ins(line: str) -> tuple[str, ...]:
    """What such a line types, if it types nothing else, so that another of its kind differs in the plug-in alone."""
    keys = tuple(sorted(word.partition("=")[0] for word in line.split()[2:]))
    return keys if line.startswith("python train.py ") and set(keys) <= PLUG_INS else ()


FIRST = list({of_plug_ins(line): line for line in reversed(LINES)}.values())
LIKE_ANOTHER = [line for line in LINES if of_plug_ins(line) and line not in FIRST]
"""Lines that are run in the storm, and composed and built in every run of the tests."""


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def text(number: int, count: int) -> str:
    return " ".join(WORDS[(number * 5 + k) % len(WORDS)] for k in range(count)) + "."


def pair(n: int) -> dict[str, Any]:
    """A row that every option reads: a reference, scores, and a longer summary that is chosen two times of three."""
    long, short = text(n, 14), text(n + 3, 4)
    chosen, rejected = (long, short) if n % 3 else (short, long)
    row = {"id": f"r{n}", "document": text(n, 24), "chosen": chosen, "rejected": rejected, "reference": text(n, 6)}
    return row | {"score_chosen": 3 + n, "score_rejected": 2}


def labelled(n: int) -> dict[str, Any]:
    """A summary that was liked or not."""
    return {"document": text(n, 24), "summary": text(n, 4 + n % 9), "label": n % 3 > 0}


def comparison(n: int) -> dict[str, Any]:
    """A row of summarize_from_feedback."""
    summaries = [
        {"text": text(n, 9), "policy": "a", "note": None},
        {"text": text(n + 1, 5), "policy": "b", "note": None},
    ]
    info = {"id": f"p{n}", "post": text(n, 24), "title": None, "subreddit": None, "site": None, "article": None}
    return {"info": info, "summaries": summaries, "choice": n % 2, "worker": "w", "extra": {"confidence": None}}


def judged_answers(n: int) -> dict[str, Any]:
    """A row of PKU-SafeRLHF."""
    safe = {"is_response_0_safe": True, "is_response_1_safe": n % 2 == 0}
    answers = {"prompt": text(n, 12), "response_0": text(n, 7), "response_1": text(n + 1, 5)}
    return answers | safe | {"better_response_id": n % 2, "safer_response_id": 0}


def paper(n: int) -> dict[str, Any]:
    """A row of SciTLDR."""
    return {"id": f"s{n}", "title": text(n, 4), "document": text(n, 24), "summary": [text(n, 6)]}


PUBLISHED = {"summarize_from_feedback": comparison, "pku_safe_rlhf": judged_answers, "scitldr": paper}
"""A row in the schema of each data set on the Hub that a line names."""
HUB = {"tldr": "summarize_from_feedback", "modpo_safety": "pku_safe_rlhf"}
"""The data set of an experiment, by a part of its name."""


def says(messages: list[dict[str, str]]) -> str:
    """A teacher's two summaries with scores; or a judge's verdict for the longer of two, with scores where asked."""
    asked = messages[-1]["content"]
    summaries = re.findall(r"<summary_\d>\n(.*?)\n</summary_\d>", asked, re.DOTALL)
    if not summaries:
        answer = teacher_says(messages)
        return answer if "Total score" in asked else "\n".join(re.findall(r".*Summary \d.*", answer))
    better = 1 + (len(summaries[1]) > len(summaries[0]))
    if "Total score 1" not in asked:
        return f"It is so.\n\n**Better:** {better}"
    scores = (16, 12) if better == 1 else (12, 16)
    return (
        "".join(f"Explanation {n}: so.\nTotal score {n}: {scores[n - 1]}\n" for n in (1, 2)) + f"Best summary: {better}"
    )


@pytest.fixture(scope="module")
def world(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the lines are typed: what earlier lines leave, and the reader's own files."""
    folder, home = tmp_path_factory.mktemp("world"), Path.cwd()
    os.chdir(folder)
    try:
        for split, count in (("train", 12), ("validation", 6), ("test", 6)):
            write(Path("outputs", "pairs", f"{split}.jsonl"), [pair(n) for n in range(count)])
            for name, row in PUBLISHED.items():
                write(Path(name, f"{split}.jsonl"), [row(n + 20 * len(split)) for n in range(count)])
        shutil.copytree("outputs/pairs", "long")
        shutil.copy("outputs/pairs/train.jsonl", "my_pairs.jsonl")
        write(Path("labelled.jsonl"), [labelled(n) for n in range(24)])
        for file in ("my_documents/train.jsonl", "my_documents.jsonl"):
            write(Path(file), [{"id": f"d{n}", "source": "s", "text": document(n, 60)} for n in range(12)])
        for file in ("book.txt", "paper.txt"):
            Path(file).write_text(text(1, 60), "utf-8")
        shutil.copy("my_documents.jsonl", "FILE")
        shutil.copytree(tiny_model_path, "FOLDER")
        shutil.copytree("outputs/pairs", "FOLDER", dirs_exist_ok=True)
        earlier_runs(tiny_model_path)
        yield folder
    finally:
        os.chdir(home)


def earlier_runs(model: Path) -> None:
    """The runs that lines go on from: SFT and its merged model, DPO and a reward model on that, evaluated."""
    source = ["dataset=jsonl", "dataset.path=outputs/pairs"]
    for name, base, objective in (("sft", model, "sft"), ("dpo", "outputs/sft/merged", "dpo"),
                                  ("reward", "outputs/sft/merged", "reward_model")):  # fmt: skip
        made = {"objective": objective, "model.path": base, "output_dir": f"outputs/{name}"}
        assert main(["train", *source, *typed(SMALL["train"] | made)]) == 0
        if name != "dpo":
            assert main(["merge", f"run=outputs/{name}", "cache_dir=cache"]) == 0
        if name != "reward":
            assert main(["evaluate", f"run=outputs/{name}", *source, *typed(SMALL["evaluate"])]) == 0
    for place in ("modpo/w=0.02", "qwen2_summarize/base", "qwen2_summarize/dpo", "qwen2_summarize/sft"):
        shutil.copytree("outputs/dpo", f"outputs/{place}")
    shutil.copytree("outputs/sft", "RUN", ignore=shutil.ignore_patterns("merged"))
    shutil.copytree("outputs/reward/merged", "RUN/merged")
    for place in ("SFT", "outputs/sft_tldr", "outputs/sft_tldr_llama2_7b"):
        shutil.copytree("outputs/sft", place)
    shutil.copytree("outputs/dpo", "SAFER")


def typed(options: dict[str, Any]) -> list[str]:
    """Options as they are typed."""
    return [f"{key}={'null' if value is None else str(value).lower() if isinstance(value, bool) else value}"
            for key, value in options.items()]  # fmt: skip


def made_small(line: str, model: Path, out: Path | None) -> tuple[str, list[str]]:
    """The command and its arguments, with what makes it small in place of what it says."""
    folders = iter(("outputs/dpo", "outputs/sft"))
    line = re.sub(r"\bDIR\b", lambda found: next(folders, "outputs"), line.replace(" ...", "").replace(" [DIR]", ""))
    _, command, *words = shlex.split(line.replace("python train.py", "summpo train", 1))
    free = [word for word in words if "=" not in word or Path(word).exists()]
    options: dict[str, Any] = dict(word.split("=", 1) for word in words if word not in free)
    source = options.get("dataset") or next((HUB[part] for part in HUB if part in options.get("experiment", "")), "")
    if source in PUBLISHED:
        options.setdefault("dataset.path", source)
    if command in SMALLER_MODEL and "run" not in options and not Path(options.get("model.path", "-")).exists():
        options["model.path"] = model
    if "margin_reward.reward_model.path" in options:
        options["margin_reward.reward_model.max_length"] = 480
    if options.get("logger") == "wandb":
        options["logger.wandb.offline"] = True
    options |= SMALL[command] | ({"output_dir": out} if out else {})
    return command, [*free, *typed(options)]


def test_there_are_lines() -> None:
    assert len(LINES) > 60 and len(CHAINS) == 3 and 10 < len(LIKE_ANOTHER) < len(LINES) / 2
    for where in PLACES:
        assert len(list(where())) > 5


@pytest.mark.parametrize("line", LIKE_ANOTHER)
def test_a_printed_line_composes(line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=[pytest.mark.storm] if line in LIKE_ANOTHER else []) for line in LINES]
)
def test_a_printed_line_does_its_work(
    line: str, world: Path, tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, arguments = made_small(line, tiny_model_path, tmp_path / "out")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("TOGETHER_API_KEY", "secret")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text(3, 40).encode())))
    with FaultServer(answer=says) as server:
        if command in ("synthesize", "judge"):
            arguments = [word for word in arguments if not word.startswith(("teacher.url", "teacher.model"))]
            arguments += [f"teacher.url={server.url}", f"teacher.model={MODEL}"]
        assert main([command, *arguments]) == 0
    assert command in ("generate", "judge") or any((tmp_path / "out").rglob("*")), "it leaves nothing"


@pytest.mark.parametrize("line", CHAINS)
def test_a_printed_chain_does_its_work(line: str, world: Path, tiny_model_path: Path) -> None:
    """Each of its stages, where it says that its files go."""
    for stage in stages_of(line):
        command, arguments = made_small(stage, tiny_model_path, None)
        assert main([command, *arguments]) == 0, stage
