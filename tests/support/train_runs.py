"""Training runs for the tests: small rows in files, and the command `summpo train` in a process of its own.

A process is forked from a server that has imported everything and computed nothing, so a run costs a second and not
eight; it can be sabotaged, and killed, like any other.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "ran", "over", "hills", "while", "we", "summarise", "papers")
SECONDS = 120
"""No run of these tests takes as long; one that does hangs."""

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    ["summpo.training.run", "peft", "transformers.models.llama.modeling_llama", "torch._dynamo"]
)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (minus the signal where it was killed) and what it wrote."""

    code: int
    out: str
    err: str


def write_rows(file: Path, count: int, seed: int = 0, longest: int = 9) -> Path:
    """A JSONL file of pairs: documents of 10 to 30 words, summaries of 2 to `longest`."""
    rng = random.Random(f"{file.stem}{seed}")

    def text(low: int, high: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))

    rows = [
        {"id": f"{file.stem}-{i}", "document": text(10, 30), "chosen": text(2, longest), "rejected": text(2, longest)}
        for i in range(count)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def write_labelled(file: Path, count: int, seed: int = 0) -> Path:
    """A JSONL file of labelled rows: documents of 10 to 30 words, summaries of 2 to 9, two in three good."""
    rng = random.Random(f"{file.stem}{seed}")

    def text(low: int, high: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))

    rows = [
        {"id": f"{file.stem}-{i}", "document": text(10, 30), "summary": text(2, 9), "label": i % 3 > 0}
        for i in range(count)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def write_splits(folder: Path, train: int, validation: int) -> Path:
    """A folder with train.jsonl and validation.jsonl."""
    write_rows(folder / "train.jsonl", train)
    write_rows(folder / "validation.jsonl", validation)
    return folder


def small(model: Path, data: Path, cache: Path, **changes: object) -> list[str]:
    """The overrides of a small run: DPO in batches of 4, LoRA of rank 4, no samples. Dots in keys are written `__`."""
    settings = {
        "objective": "dpo",
        "model.path": model,
        "dataset": "jsonl",
        "dataset.path": data,
        "cache_dir": cache,
        "tokens.max_length": 512,
        "lora.r": 4,
        "lora.alpha": 8,
        "batch_size": 4,
        "optimizer.lr": 0.01,
        "validation.samples": 0,
        "trainer.enable_progress_bar": "false",
    }
    settings |= {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={value}" for key, value in settings.items()]


def run(arguments: Sequence[str], log: Path, sabotage: Callable[[], None] | None = None) -> Ended:
    """`python train.py` with these arguments; `sabotage` is called in the process before the command."""
    return wait(start(arguments, log, sabotage), log)


def run_summpo(arguments: Sequence[str], log: Path, sabotage: Callable[[], None] | None = None) -> Ended:
    """`summpo` with these arguments; the rest as `run`."""
    process = _server.Process(target=_summpo, args=(list(arguments), str(log), sabotage))
    process.start()
    return wait(process, log)


def start(
    arguments: Sequence[str], log: Path, sabotage: Callable[[], None] | None = None, **environment: str
) -> BaseProcess:
    """The same, not waited for. Its output goes to `log`.out and `log`.err."""
    process = _server.Process(target=_command, args=(list(arguments), str(log), sabotage, environment))
    process.start()
    return process


def wait(process: BaseProcess, log: Path) -> Ended:
    """How a started process ended."""
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"a run takes more than {SECONDS} s: {Path(f'{log}.err').read_text()}")
    return Ended(process.exitcode, Path(f"{log}.out").read_text(), Path(f"{log}.err").read_text())


def run_ranks(
    arguments: Sequence[str], log: Path, world: int = 2, sabotage: Callable[[int], None] | None = None
) -> list[Ended]:
    """The processes of a distributed run, started from outside as torchrun does; `sabotage` is told the rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    logs = [Path(f"{log}-{rank}") for rank in range(world)]
    processes = [
        start(
            [*arguments, "trainer=ddp", f"trainer.devices={world}"],
            logs[rank],
            partial(sabotage, rank) if sabotage else None,
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(world),
            NODE_RANK="0",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
        )
        for rank in range(world)
    ]
    return [wait(process, logs[rank]) for rank, process in enumerate(processes)]


def _summpo(arguments: list[str], log: str, sabotage: Callable[[], None] | None) -> None:
    for number, kind in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{log}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    import torch

    from summpo.commands import main

    torch.set_num_threads(1)
    if sabotage is not None:
        sabotage()
    raise SystemExit(main(arguments))


def _command(arguments: list[str], log: str, sabotage: Callable[[], None] | None, environment: dict[str, str]) -> None:
    for number, kind in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{log}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(environment)
    sys.argv = [str(REPOSITORY / "train.py"), *arguments]
    import torch

    from summpo.commands.train import main

    torch.set_num_threads(1)  # threads that wait for each other on a busy machine are most of a tiny model's time
    if sabotage is not None:
        sabotage()
    main()


def metrics_of(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv, empty cells left out."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def summary_of(folder: Path) -> dict:
    """summary.json."""
    return json.loads((folder / "summary.json").read_text("utf-8"))


def adapter_bytes(folder: Path) -> bytes:
    """The adapter's weights, bit by bit."""
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
