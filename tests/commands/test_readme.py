"""The README is true: every command composes, every name that it links or lists exists, its recipes run."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from summpo.text.tokens import Limits
from support.command_lines import check

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    return [line for line in lines if line.startswith(("python train.py", "summpo "))]


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 10


@pytest.mark.parametrize("line", commands())
def test_every_command_composes(line: str) -> None:
    check(line)


def test_make_targets_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^make (\w+)|`make (\w+)`", README, re.MULTILINE))
    names = {name for pair in targets for name in pair if name}
    assert {"demo", "test"} <= names
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in names)


def test_links_into_the_repository_lead_somewhere() -> None:
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", README) if not t.startswith("http")]
    assert targets and all((REPOSITORY / target).exists() for target in targets)


def test_the_recipes_run(tmp_path: Path, tiny_model_path: Path) -> None:
    """A copy of the sources with the README's files in it trains with the new margin reward, objective and data set."""
    for name in ("src", "conf", "train.py"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    texts = {kind: [block for k, block in BLOCKS if k == kind] for kind in ("python", "yaml")}
    files = re.findall(r"one file `([\w/]+\.py)`, one yaml `([\w/]+\.yaml)`", README)
    assert len(files) == len(texts["python"][:-1]) == len(texts["yaml"]) == 3
    for (code, config), python, yaml in zip(files, texts["python"][:-1], texts["yaml"], strict=True):
        assert not (tmp_path / code).exists() and not (tmp_path / config).exists()
        (tmp_path / code).write_text(python, "utf-8")
        (tmp_path / config).write_text(yaml, "utf-8")
    pairs = [{"document": f"Text number {n}.", "chosen": f"Number {n} it is.", "rejected": "No."} for n in range(12)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)) + "\n", "utf-8")
    table = "text,tldr\n" + "\n".join(f"Text number {n}.,Number {n}." for n in range(6)) + "\n"
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text(table, "utf-8")
    small = [f"model.path={tiny_model_path}", f"cache_dir={tmp_path / 'cache'}", "lora.r=2", "validation.samples=0",
             "trainer.enable_progress_bar=false", "tokens.max_length=120"]  # fmt: skip
    runs = [
        ["objective=exponential", "w=0.1", "margin_reward=[length,short_words]", "margin_reward.short_words.weight=0.5",
         "margin_reward.short_words.clip=2", "dataset=jsonl", "dataset.path=pairs.jsonl", "output_dir=pairs_run"],
        ["objective=sft", "dataset=two_columns", "dataset.path=.", "output_dir=sft_run"],
    ]  # fmt: skip
    program = (
        "import json, runpy, sys\n"
        f"sys.path.insert(0, {str(tmp_path / 'src')!r})\n"
        "for run in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['train.py', *run]\n"
        "    try:\n"
        "        runpy.run_path('train.py', run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, run\n"
    )
    typed = json.dumps([[*run, *small] for run in runs])
    done = subprocess.run([sys.executable, "-c", program, typed], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "pairs_run" / "summary.json").read_text("utf-8"))
    assert summary["objective"] == "exponential" and list(summary["config"]["margin_reward"]) == [
        "length",
        "short_words",
    ]
    assert summary["config"]["margin_reward"]["short_words"]["clip"] == 2
    assert json.loads((tmp_path / "sft_run" / "summary.json").read_text("utf-8"))["status"] == "done"


@pytest.mark.skipif(importlib.util.find_spec("aclsum") is None, reason="the package aclsum is not installed")
def test_the_lines_from_python_run(tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but for a tiny model and few rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUMMPO_CACHE", str(tmp_path / "cache"))
    *_, block = [block for kind, block in BLOCKS if kind == "python"]
    small = block.replace('Model("embedded")', f"Model({str(tiny_model_path)!r})").replace("limit=200", "limit=2")
    small = small.replace("objective=MODPO()", "objective=MODPO(), tokens=Limits(max_length=512)")
    names: dict[str, Any] = {"Limits": Limits}
    exec(small, names)
    assert names["found"]["documents"] == 2
    assert (tmp_path / "runs" / "w=0.05" / "adapter").is_dir()
