"""Every command on pretended GPUs: nothing meets what lies elsewhere, and the host waits for its device once a step."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from multiprocessing.util import Finalize
from pathlib import Path

import pytest
import torch

from summpo.commands import main
from summpo.config.tree import options_of
from summpo.models.forward.shared_prefix import say_why_not
from support.pretended_cuda import Seen, pretended, pretended_to_the_end
from support.train_runs import metrics_of, run_ranks, small, write_splits

GPU = {
    "trainer": "gpu",
    "trainer.enable_progress_bar": "false",
    "trainer.max_steps": 3,
    "trainer.precision": "bf16-mixed",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_splits(tmp_path / "data", train=24, validation=4)


def options(model: Path, data: Path, out: Path, **changes: object) -> list[str]:
    """Of a run of three steps on a GPU."""
    own = {key.replace(".", "__"): value for key, value in GPU.items() if key != "trainer"} | changes
    return ["trainer=gpu", *small(model, data, out.parent / "cache", output_dir=out, **own)]


def trained(model: Path, data: Path, out: Path, gpus: int = 1, **changes: object) -> Seen:
    """What a run comes to on pretended GPUs."""
    with pretended(gpus) as seen:
        assert main(["train", *options(model, data, out, **changes)]) == 0
    return seen


def assert_placed(seen: Seen, device: str = "cuda:0") -> None:
    assert seen.faults.total() == 0, seen.told()
    assert set(seen.used) == {device}


BF16 = "trainer.precision=bf16-mixed"
COLUMNS = 3
"""Batches in which the reference scores 48 completions, 16 at a time."""
KINDS = {
    "modpo": {"objective": "modpo", "w": 0.1},
    "sft": {"objective": "sft"},
    "sampo": {"objective": "sampo"},
    "wpo": {"objective": "wpo"},
    "kto": {"objective": "kto"},
    "reward model": {"objective": "reward_model"},
    "padded": {"batching": "padded"},
    "float32": {"trainer__precision": "32-true"},
    "float16": {"trainer__precision": "16-mixed"},
    "all weights": {"lora": "null"},
    "recomputed": {"activation_checkpointing": "true"},
    "accumulated": {"trainer__accumulate_grad_batches": 2},
    "samples": {"validation__samples": 2},
    "by length": {"order": "by_length", "batch_tokens": 200},
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_meets_what_lies_elsewhere_and_a_step_waits_once(
    kind: str, tiny_model_path: Path, data: Path, tmp_path: Path
) -> None:
    """Not within forward and backward: the host is ahead of its device until the optimizer steps."""
    seen = trained(tiny_model_path, data, tmp_path / "run", **KINDS[kind], validation__times=1, checkpoint_every=1000)
    assert_placed(seen)
    assert seen.waits_in("training_step") == seen.waits_in("backward") == 0, seen.told()
    waits = [after - before for before, after in pairwise(seen.waits_by_step)]
    assert len(waits) == 2 and max(waits) <= 2, seen.told()


def test_weights_move_in_half_precision_as_on_the_cpu(tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    """At a rate at which ten steps show: what computes with weights of an earlier step would be off by tenths."""
    own = {"objective": "sft", "optimizer__lr": 0.03, "trainer__max_steps": 10, "trainer__max_epochs": 9}
    trained(tiny_model_path, data, tmp_path / "gpu", **own)
    assert main(["train", *options(tiny_model_path, data, tmp_path / "cpu", **own), "trainer=cpu", BF16]) == 0
    ours, theirs = (metrics_of(tmp_path / name) for name in ("gpu", "cpu"))
    assert theirs[-1]["train/loss"] < theirs[0]["train/loss"] - 0.3
    for mine, plain in zip(ours, theirs, strict=True):
        assert mine["train/loss"] == pytest.approx(plain["train/loss"], abs=0.03)
    assert ours[-1]["val/loss"] == pytest.approx(theirs[-1]["val/loss"], abs=0.03)


def test_a_step_launches_no_more_than_it_did(tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    """Of two layers of Llama with LoRA on all linear ones in bf16-mixed; and a batch is one copy."""
    own = {"lora__target_modules": "all-linear", "validation__times": 0, "trainer__max_epochs": 9}
    seen = trained(tiny_model_path, data, tmp_path / "run", **own)
    forward, backward = (seen.launches_in(phase) / seen.calls[phase] for phase in ("training_step", "backward"))
    assert forward <= 250 and backward <= 275, seen.told()
    assert sum(seen.copies.values()) == seen.calls["training_step"] + COLUMNS


@pytest.mark.storm
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("batching", ["shared_prefix", "padded"])
@pytest.mark.parametrize("objective", options_of("objective").split(", "))
def test_every_objective_keeps_to_its_device(
    objective: str, batching: str, precision: str, tiny_model_path: Path, data: Path, tmp_path: Path
) -> None:
    own = {"objective": objective, "batching": batching, "trainer__precision": precision, "validation__times": 1}
    seen = trained(tiny_model_path, data, tmp_path / "run", **own)
    assert_placed(seen)
    assert seen.waits_in("training_step") == seen.waits_in("backward") == 0, seen.told()


def test_that_attention_takes_many_calls_is_said_once(
    tiny_model_path: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_why_not.cache_clear()
    trained(tiny_model_path, data, tmp_path / "run", trainer__precision="32-true")
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("attention: ")]
    assert len(told) == 1 and "not 2 heads of 16 on 2 of keys, float32 on cuda:0" in told[0]


@pytest.mark.parametrize("kind", ["sampo", "accumulated"])
def test_the_numbers_are_the_cpus(kind: str, tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    """One kernel for a row rounds otherwise than a call for each group: not to the bit."""
    trained(tiny_model_path, data, tmp_path / "gpu", **KINDS[kind] | {"trainer__precision": "32-true"})
    on_cpu = [
        *options(tiny_model_path, data, tmp_path / "cpu", **KINDS[kind]),
        "trainer=cpu",
        "trainer.precision=32-true",
    ]
    assert main(["train", *on_cpu]) == 0
    for ours, theirs in zip(metrics_of(tmp_path / "gpu"), metrics_of(tmp_path / "cpu"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        {"objective": "modpo", "w": 0.1},
        {"model__quantization": "nf4"},
        {"objective": "reward_model"},
        {"objective": "dpo", "margin_reward": "faithfulness", "margin_reward__faithfulness__weight": 1},
    ],
    ids=["modpo", "nf4", "reward model", "a margin reward that reads with a model"],
)
def test_a_run_on_the_second_gpu_leaves_the_first_alone(
    kind: dict[str, object], tiny_model_path: Path, data: Path, tmp_path: Path
) -> None:
    seen = trained(tiny_model_path, data, tmp_path / "run", gpus=2, **kind, trainer__devices="[1]")
    assert_placed(seen, "cuda:1")


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["evaluate", "split=validation", "generation.max_new_tokens=4"], {"objective": "modpo", "w": 0.1}),
        (["generate", "split=validation", "generation.max_new_tokens=4", "output_dir=OUT"], {"objective": "sft"}),
        (["merge", "output_dir=OUT"], {"model__quantization": "nf4"}),
    ],
    ids=["evaluate", "generate", "merge"],
)
def test_what_follows_a_run_goes_where_it_is_told(
    command: list[str], kind: dict[str, object], tiny_model_path: Path, data: Path, tmp_path: Path
) -> None:
    trained(tiny_model_path, data, tmp_path / "run", **kind)
    told = [word.replace("OUT", str(tmp_path / "out")) for word in command]
    with pretended(gpus=2) as seen:
        assert main([*told, f"run={tmp_path / 'run'}", "accelerator=cuda:1"]) == 0
    assert_placed(seen, "cuda:1")


def test_a_margin_of_an_adapter_is_computed_where_it_is_inspected(
    tiny_model_path: Path, data: Path, tmp_path: Path
) -> None:
    trained(tiny_model_path, data, tmp_path / "run")
    adapter = ["margin_reward=implicit", f"margin_reward.implicit.adapter={tmp_path / 'run' / 'adapter'}"]
    own = options(tiny_model_path, data, tmp_path / "looked", objective="modpo", trainer__devices="[1]")
    with pretended(gpus=2) as seen:
        assert main(["inspect", *own, *adapter]) == 0
    assert_placed(seen, "cuda:1")


def test_what_lies_elsewhere_is_found() -> None:
    """A fault planted in each way that a GPU refuses."""
    with pretended(gpus=2) as seen:
        here, there, host = torch.ones(3, device="cuda"), torch.ones(3, device="cuda:1"), torch.ones(3)
        here + host
        here + there
        host[torch.zeros(1, dtype=torch.long, device="cuda")]
        torch.stack([here, host])
        assert seen.faults.total() == 4
        here + 1, here * torch.tensor(2.0), here[torch.tensor([0])], here.cpu() + host, here.to("cuda:1") + there
        assert seen.faults.total() == 4
    assert torch.ones(1).device.type == "cpu" and not torch.cuda.is_available()


def test_what_the_host_waits_for_is_found() -> None:
    with pretended() as seen:
        x = torch.ones(3, device="cuda")
        for wait in (
            lambda: x.sum().item(),
            lambda: bool(x.isfinite().all()),
            lambda: x.tolist(),
            lambda: x.cpu(),
            lambda: torch.tensor([1.0], device="cuda"),
            lambda: torch.ones(2).to("cuda"),
            lambda: x[x > 0],
            lambda: x.nonzero(),
            lambda: x.repeat_interleave(torch.ones(3, dtype=torch.long).pin_memory().to("cuda", non_blocking=True)),
        ):
            before = seen.waits.total()
            wait()
            assert seen.waits.total() > before
        before = seen.waits.total()
        x + x, x.sum(), torch.zeros(3, device="cuda"), torch.ones(2).pin_memory().to("cuda", non_blocking=True)
        assert seen.waits.total() == before


def on_the_second_machine(report: Path, rank: int) -> None:
    """As if this process had two GPUs; what happened on them is written down at its end."""
    seen = pretended_to_the_end(gpus=2)
    file = report.with_name(f"{report.name}-{rank}")
    Finalize(None, lambda: file.write_text(f"{sorted(seen.used)} {seen.told()}"), exitpriority=1)


@pytest.mark.parametrize("kind", [{"objective": "kto"}, {"model__quantization": "nf4"}])
def test_each_of_two_processes_keeps_to_its_gpu(
    kind: dict[str, object], tiny_model_path: Path, data: Path, tmp_path: Path
) -> None:
    own = options(tiny_model_path, data, tmp_path / "run", **kind, trainer__accelerator="gpu")
    report = tmp_path / "report"
    ended = run_ranks(own[1:], tmp_path / "log", sabotage=partial(on_the_second_machine, report))
    assert [each.code for each in ended] == [0, 0], ended
    for rank in (0, 1):
        told = report.with_name(f"report-{rank}").read_text()
        assert told.startswith(f"['cuda:{rank}'] ") and "fault" not in told, told


@pytest.mark.parametrize("kind", ["kto", "all weights"])
def test_apples_gpu(kind: str, tiny_model_path: Path, data: Path, tmp_path: Path) -> None:
    """It knows no float64, in which sums of a validation are added up."""
    own = KINDS[kind] | {"trainer__precision": "32-true", "trainer__accelerator": "mps"}
    with pretended(kind="mps") as seen:
        assert main(["train", *options(tiny_model_path, data, tmp_path / "run", **own)]) == 0
    assert_placed(seen, "mps:0")


@pytest.mark.parametrize(("taken", "said"), [(9 << 30, True), (100 << 30, False)])
def test_idle_memory_is_said_once(
    taken: int,
    said: bool,
    tiny_model_path: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of 140 GiB that are free: 15 times 9, but no two times 100."""
    own = options(tiny_model_path, data, tmp_path / "run", trainer__max_steps=6, validation__times=0)
    with pretended():
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: taken)
        assert main(["train", *own]) == 0
        monkeypatch.undo()
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("memory: ")]
    right = (
        "memory: steps take 9.0 of the 140 GiB that this process can have of cuda:0; batches up to 15 times as large"
    )
    assert told == [f"{right} fit (batch_size, batch_tokens), and keep a GPU busier"] * said
