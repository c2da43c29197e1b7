"""What the points of a sweep share: the numbers of a run on its own, and nothing stale."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch
from lightning.pytorch import LightningModule
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

import summpo.columns.reuse
import summpo.files.hub_or_folder
from summpo.columns.reuse import Kept, give_back, on_disk, take_base
from summpo.commands.compose import compose_config
from summpo.models import Lora, Model
from summpo.models.forward.families import SHARED_PREFIX
from summpo.models.forward.shared_prefix import attend
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from summpo.text.rows import PairRow
from summpo.training.module import BadLoss, TrainingModule
from summpo.training.plain_settings import train_settings
from summpo.training.policy import source_of
from summpo.training.run import train
from support.tiny import tiny_llama
from support.train_runs import adapter_bytes, files_of, run, small, summary_of, write_rows, write_splits

TOKENS = torch.arange(3, 20)[None]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summpo.columns.reuse, "KEPT", Kept())


@pytest.fixture
def settings(tiny_model_path: Path, tmp_path: Path) -> list[str]:
    """Of three steps on 12 pairs."""
    data = write_splits(tmp_path / "data", train=12, validation=5)
    return small(tiny_model_path, data, tmp_path / "cache", lora__target_modules="all-linear", validation__times=1)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The folders that a base has been loaded from, and the files that rows have been read from."""
    seen: list[Path] = []

    def watched(place: Any, name: str) -> None:
        real = getattr(place, name)
        monkeypatch.setattr(place, name, lambda path, *rest: (seen.append(path), real(path, *rest))[1])

    watched(summpo.columns.reuse, "load_base")
    watched(summpo.files.hub_or_folder, "rows_of_file")
    yield seen


def trained(settings: Sequence[str], folder: Path, shared: Kept | None = None, **changes: Any) -> dict[str, bytes]:
    """What a run leaves of its training: the adapter's files, the numbers, the summary but for its time.

    Args:
        shared: what the process keeps from earlier runs; None for nothing.
    """
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    summpo.columns.reuse.KEPT = shared or Kept()
    train(train_settings(compose_config("train", [*settings, *overrides, f"output_dir={folder}"])), folder)
    return left_by(folder)


def left_by(folder: Path) -> dict[str, bytes]:
    summary = {k: v for k, v in summary_of(folder).items() if k not in ("wall_time_s", "config")}
    left = {name: data for name, data in files_of(folder).items() if name.startswith(("adapter/", "metrics"))}
    assert left.keys() >= {"adapter/adapter_model.safetensors", "adapter/tokenizer.json", "metrics.csv"}
    return left | {"summary": json.dumps(summary).encode()}


def bits(model: Any) -> dict[str, Tensor]:
    """All of a model's weights and buffers, and what bitsandbytes keeps beside them."""
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, weight in model.named_parameters():
        if (state := getattr(weight, "quant_state", None)) is not None:
            found |= {f"{name}.absmax": state.absmax, f"{name}.nested": state.state2.absmax, f"{name}.code": state.code}
    return {name: value.detach().clone() for name, value in found.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_a_point_of_a_sweep_is_the_run_in_a_process_of_its_own(settings: list[str], tmp_path: Path) -> None:
    """Bit by bit: adapter, tokenizer, metrics; with dropout, so that the generator's state counts as well."""
    settings = [*settings, "objective=modpo", "lora.dropout=0.1", "validation.samples=1", "validation.max_new_tokens=4"]
    ended = run(["-m", *settings, "w=0,0.05,0.1", f"output_dir={tmp_path / 'sweep'}"], tmp_path / "log")
    assert ended.code == 0, ended.err
    for w in ("0.05", "0.1"):
        alone = tmp_path / f"alone-{w}"
        assert run([*settings, f"w={w}", f"output_dir={alone}"], tmp_path / "log").code == 0
        assert left_by(tmp_path / "sweep" / f"w={w}") == left_by(alone)
    assert adapter_bytes(tmp_path / "sweep" / "w=0.05") != adapter_bytes(tmp_path / "sweep" / "w=0.1")
    # nothing of tokens and margins but the first point's
    assert ended.out.count("columns: tokens of 12 rows") == ended.out.count("columns: margin length of 12 rows") == 1


OTHER: list[dict[str, Any]] = [
    {"w": 0.1, "objective": "modpo"},
    {"w": 0.1, "objective": "modpo", "margin_reward__length__unit": "words"},
    {"w": 0.1, "objective": "modpo", "margin_reward": "[length,coverage]"},
    {"seed": 3},
    {"lora__r": 2},
    {"model__dtype": "bfloat16"},
    {"model__quantization": "nf4"},
    {"objective": "reward_model"},
    {"tokens__max_length": 60},
    {"prompt__template": "'{document} In short:'"},
    {"dataset__limit": 9},
    {"validation__rows": 2},
    {"objective": "sft", "dataset__sft_on": "both"},
]
"""Settings of another run: each changes something else of what runs share."""


def test_other_settings_after_a_run_give_what_they_give_alone(settings: list[str], tmp_path: Path) -> None:
    """There and back each time: the first run's settings again are the first run again."""
    shared = Kept()
    first = trained(settings, tmp_path / "first", shared)
    for number, changes in enumerate(OTHER):
        other, alone, again = (tmp_path / f"{name}{number}" for name in ("other", "alone", "again"))
        assert trained(settings, other, shared, **changes) == trained(settings, alone, **changes), changes
        assert trained(settings, again, shared) == first, changes


def test_a_run_that_goes_on_from_an_adapter(settings: list[str], tmp_path: Path) -> None:
    """The adapter is the model's and the reference's start; another in its folder is another."""
    shared, adapter = Kept(), tmp_path / "start" / "adapter"
    trained(settings, tmp_path / "start", shared)
    for seed in (1, 2):
        if seed == 2:
            for name, data in files_of(tmp_path / "1" / "adapter").items():
                (adapter / name).write_bytes(data)
        made = trained(settings, tmp_path / f"{seed}", shared, model__adapter=adapter, seed=seed)
        assert made == trained(settings, tmp_path / f"alone{seed}", model__adapter=adapter, seed=seed)


def test_an_adapter_that_is_a_margin_may_be_another_by_now(settings: list[str], tmp_path: Path) -> None:
    shared, adapter = Kept(), tmp_path / "margin" / "adapter"
    adapter.mkdir(parents=True)
    changes = {"objective": "modpo", "w": 1, "margin_reward": "implicit", "margin_reward__implicit__adapter": adapter}
    for seed in (1, 2):
        trained(settings, tmp_path / f"made{seed}", seed=seed)
        for name, data in files_of(tmp_path / f"made{seed}" / "adapter").items():
            (adapter / name).write_bytes(data)
        made = trained(settings, tmp_path / f"{seed}", shared, **changes)
        assert made == trained(settings, tmp_path / f"alone{seed}", **changes)
    assert left_by(tmp_path / "1")["summary"] != left_by(tmp_path / "2")["summary"]


def test_all_weights_train_on_a_base_of_their_own(settings: list[str], tmp_path: Path, loads: list[Path]) -> None:
    """And what they become never serves the next run."""
    shared, whole = Kept(), ["lora=null", "objective=sft"]
    first = trained(settings, tmp_path / "first", shared)

    def weights(folder: Path, shared: Kept | None) -> bytes:
        summpo.columns.reuse.KEPT = shared or Kept()
        train(train_settings(compose_config("train", [*settings, *whole, f"output_dir={folder}"])), folder)
        return (folder / "model" / "model.safetensors").read_bytes()

    assert weights(tmp_path / "shared", shared) == weights(tmp_path / "alone", None)
    before = len(loads)
    assert trained(settings, tmp_path / "last", shared) == first
    assert len(loads) > before, "the base was let go of, and is loaded anew"


def test_a_reference_of_its_own_is_loaded_beside_the_policy(settings: list[str], tmp_path: Path) -> None:
    """And is never taken for the policy's base, which comes after it or before it."""
    shared = Kept()
    reference = tiny_llama(tmp_path / "reference")
    weights = load_file(reference / "model.safetensors")
    save_file({name: value * 1.1 for name, value in weights.items()}, reference / "model.safetensors", {"format": "pt"})
    for name, changes in enumerate(({"w": 0}, {"w": 0.1, "objective": "modpo"})):
        other = {"reference__path": reference, **changes}
        made = trained(settings, tmp_path / f"other{name}", shared, **other)
        assert made == trained(settings, tmp_path / f"alone{name}", cache_dir=tmp_path / f"cache{name}", **other)
    whole = [*settings, "lora=null", f"reference.path={reference}", f"cache_dir={tmp_path / 'another'}"]
    summpo.columns.reuse.KEPT = shared
    train(train_settings(compose_config("train", [*whole, f"output_dir={tmp_path / 'whole'}"])), tmp_path / "whole")
    assert trained(settings, tmp_path / "own", shared) == trained(settings, tmp_path / "alone")


def test_what_is_the_same_is_neither_loaded_nor_read_again(
    settings: list[str], tmp_path: Path, loads: list[Path]
) -> None:
    shared = Kept()
    trained(settings, tmp_path / "first", shared)
    assert len(loads) == 3  # two splits, a base
    trained(settings, tmp_path / "second", shared, objective="modpo", w=0.2, lora__r=2, seed=5, validation__samples=1)
    assert len(loads) == 3


def test_an_edited_file_is_read_again_though_its_size_and_time_are_the_same(
    settings: list[str], tmp_path: Path
) -> None:
    shared, file = Kept(), tmp_path / "data" / "train.jsonl"
    first = trained(settings, tmp_path / "first", shared)
    stat = file.stat()
    file.write_text(file.read_text().replace("cat", "mat"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    second = trained(settings, tmp_path / "second", shared)
    assert second == trained(settings, tmp_path / "alone")
    assert second["summary"] != first["summary"]


def test_other_weights_in_the_models_folder_are_loaded(settings: list[str], tmp_path: Path) -> None:
    shared, model = Kept(), tiny_llama(tmp_path / "model")
    settings = [*settings, f"model.path={model}"]
    first = trained(settings, tmp_path / "first", shared)
    weights = load_file(model / "model.safetensors")
    save_file({name: value * 1.01 for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    second = trained(settings, tmp_path / "second", shared)
    assert second == trained(settings, tmp_path / "alone") and second["metrics.csv"] != first["metrics.csv"]


def test_columns_that_were_damaged_in_the_store_are_computed_anew(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = Kept()
    first = trained(settings, tmp_path / "first", shared)
    for file in (tmp_path / "cache" / "columns" / "tokens").glob("*/prompts.npy"):
        file.write_bytes(file.read_bytes()[:-4] + b"\x07\0\0\0")
    assert trained(settings, tmp_path / "second", shared) == first
    assert "has changed since it was written" in capsys.readouterr().out


def test_of_a_run_that_stopped_half_way_no_base_is_left(settings: list[str], tmp_path: Path, loads: list[Path]) -> None:
    shared = Kept()
    with pytest.raises(BadLoss):
        trained(settings, tmp_path / "bad", shared, optimizer__lr=1e30, optimizer__warmup_ratio=0)
    before = len(loads)
    assert trained(settings, tmp_path / "next", shared) == trained(settings, tmp_path / "alone")
    assert len(loads) == before + 4  # the next run's base; the other's two splits and base


def recomputed_layers(model: Any) -> set[bool]:
    """Whether the layers of a model compute their activations once more in the backward pass."""
    return {layer.gradient_checkpointing for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)}


def test_a_point_computes_its_layers_as_it_says_and_not_as_the_one_before(
    settings: list[str], tmp_path: Path, loads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Activation checkpointing is set for a point and taken back for the next, on the one base that they share."""
    shared, found = Kept(), []
    monkeypatch.setattr(TrainingModule, "on_train_start", lambda module: found.append(recomputed_layers(module)))
    short = {"trainer__max_steps": 1, "validation__times": 0}
    for recomputes in ("true", "false"):
        trained(settings, tmp_path / recomputes, shared, activation_checkpointing=recomputes, **short)
    assert found == [{True}, {False}]
    assert len(loads) == 2  # a split, a base


def test_a_compiled_base_is_not_kept(settings: list[str], tmp_path: Path, loads: list[Path]) -> None:
    """Its layers would go on compiled in points that ask for plain ones; the compiler itself is left out here."""
    shared, settings = Kept(), [*settings, "trainer.max_steps=1", "validation.times=0"]
    try:
        with torch.compiler.set_stance("force_eager"):
            compiled = trained(settings, tmp_path / "compiled", shared, compile="true")
    finally:
        AttentionInterface.register(SHARED_PREFIX, attend)  # as it was, for other tests
    before = len(loads)
    assert trained(settings, tmp_path / "plain", shared) == compiled
    assert len(loads) == before + 1, "a base of its own"


def test_one_base_is_in_memory_at_a_time(settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the next run wants: another dtype, all weights, a head that scores."""
    shared, bases = Kept(), []
    real = PreTrainedModel.from_pretrained.__func__  # type: ignore[attr-defined]

    def watched(kind: Any, *arguments: Any, **options: Any) -> Any:
        assert not [base for base in bases if base() is not None], "another is in memory"
        loaded = real(kind, *arguments, **options)
        bases.append(ref(loaded[0]))
        return loaded

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", classmethod(watched))
    trained(settings, tmp_path / "a", shared)
    trained(settings, tmp_path / "b", shared, model__dtype="bfloat16")
    trained(settings, tmp_path / "c", shared, objective="reward_model")
    assert len(bases) == 3


def test_a_run_lets_go_of_the_text_that_it_trains_on(
    settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[set[str]] = []
    of_other_tests = [row for row in gc.get_objects() if type(row) is PairRow]
    known = {id(row) for row in of_other_tests}

    def look(module: LightningModule) -> None:
        rows = [row for row in gc.get_objects() if type(row) is PairRow and id(row) not in known]
        alive.append({row.id.partition("-")[0] for row in rows})

    monkeypatch.setattr(TrainingModule, "on_train_start", look)
    for name in ("first", "second"):
        trained(settings, tmp_path / name, validation__samples=0)
    assert alive == [{"validation"}] * 2


@pytest.mark.parametrize("quantization", [None, "nf4"])
def test_the_base_comes_back_to_the_bit(tiny_model_path: Path, quantization: Any) -> None:
    """After steps of training: weights, buffers, quantisation, outputs, and no trace of PEFT."""
    model = Model(str(tiny_model_path), quantization=quantization)
    base = take_base(tiny_model_path, model)
    before, attributes = bits(base), set(vars(base))
    with torch.no_grad():
        logits = base(TOKENS).logits
    policy = add_lora(base, Lora(r=4, alpha=8, target_modules="all-linear"))
    optimizer = torch.optim.SGD([weight for weight in policy.parameters() if weight.requires_grad], lr=0.5)
    for _ in range(3):
        policy(TOKENS, labels=TOKENS).loss.backward()
        optimizer.step()
    assert not torch.equal(policy(TOKENS).logits, logits)
    give_back(policy)
    again = take_base(tiny_model_path, model)
    assert again is base and set(vars(again)) == attributes
    assert same(bits(again), before) and same(bits(again), bits(load_base(tiny_model_path, model)))
    with torch.no_grad():
        assert torch.equal(again(TOKENS).logits, logits)


@pytest.mark.parametrize("fault", ["trained", "buffer", "another"])
def test_a_base_that_has_changed_is_not_kept(tiny_model_path: Path, fault: str) -> None:
    model = Model(str(tiny_model_path))
    base: Any = take_base(tiny_model_path, model)
    policy = add_lora(base, Lora(r=4, alpha=8))
    if fault == "trained":
        base.get_input_embeddings().weight.requires_grad_(True)
    elif fault == "buffer":  # as a rotary embedding does that grows with the length
        next(base.buffers()).mul_(0.5)
    else:
        take_base(tiny_model_path, model)
    give_back(policy)
    assert take_base(tiny_model_path, model) is not base


def test_rows_from_elsewhere_are_read_each_time(settings: list[str], tmp_path: Path) -> None:
    """What the Hub holds by now, nothing here can tell."""
    parts = train_settings(compose_config("train", [*settings, "dataset.path=owner/name"]))
    assert source_of(parts, "train") != source_of(parts, "train")
    parts = train_settings(compose_config("train", settings))
    assert source_of(parts, "train") == source_of(parts, "train") != source_of(parts, "validation")
    before = source_of(parts, "train")
    write_rows(tmp_path / "data" / "sub" / "more.jsonl", 1)
    assert source_of(parts, "train") != before


def test_a_file_is_known_by_what_the_disk_says_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    assert on_disk(file) != on_disk(file), "what is not there equals nothing"
    file.write_text("one")
    first = on_disk(file)
    assert on_disk(file) == first
    (tmp_path / "next").write_text("two")
    os.utime(tmp_path / "next", ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    (tmp_path / "next").replace(file)
    assert on_disk(file) != first
    assert on_disk(tmp_path) == on_disk(tmp_path)
    monkeypatch.setattr(summpo.columns.reuse, "MOST_FILES", 1)
    assert on_disk(tmp_path) != on_disk(tmp_path)
