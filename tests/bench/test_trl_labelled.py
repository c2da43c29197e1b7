"""Objectives of labelled rows against TRL's KTOTrainer: the same log-probs, reference points, losses and weights.

Needs the extra `bench`; run with `pytest -m bench`. Settings as in `test_trl_parity`. TRL mismatches completions within
stretches of a batch's length, this code within the split, so where z counts a batch is the whole split.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from summpo.commands.compose import compose_config
from summpo.models import Lora, Model
from summpo.models.forward.layouts import share_prefixes
from summpo.models.forward.scoring import score_completions
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.text.prompts import Prompt
from summpo.text.rows import LabelledRow
from summpo.text.tokens import Limits, tokenize
from summpo.training.plan import epoch_order
from summpo.training.run import train
from support.train_runs import metrics_of, small, write_labelled
from support.trl_settings import plain

trl = pytest.importorskip("trl", reason="needs the extra bench (TRL)")
pytestmark = pytest.mark.bench

SEED, STEPS, BETA = 42, 20, 0.3
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj"]


@dataclass(frozen=True)
class Case:
    """An objective here and its name there, and how the rows make steps."""

    objective: str
    loss_type: str
    rows: int
    batch: int
    weights: tuple[float, float] = (1.0, 1.0)

    @property
    def epochs(self) -> int:
        return STEPS * self.batch // self.rows


CASES = (
    Case("kto", "kto", rows=8, batch=8),
    Case("kto", "kto", rows=9, batch=9, weights=(1.5, 0.75)),
    Case("apo_zero_unpaired", "apo_zero_unpaired", rows=40, batch=2, weights=(1.2, 0.8)),
)


def policy_of(model: Path) -> Any:
    """The policy as a run begins with it."""
    torch.manual_seed(SEED)
    return add_lora(load_base(model, Model(path=str(model))), Lora(r=4, alpha=8, target_modules=LAYERS))


def trl_trainer(case: Case, model: Path, rows: list[LabelledRow], folder: Path) -> Any:
    from datasets import Dataset

    prompt = Prompt()
    order = epoch_order(len(rows), SEED, 0) if case.epochs == 1 else range(len(rows))
    columns = [
        {"prompt": prompt.around(rows[i].document), "completion": rows[i].summary, "label": rows[i].label}
        for i in order
    ]
    settings = trl.KTOConfig(
        **plain(folder, case.batch, SEED),
        loss_type=case.loss_type,
        beta=BETA,
        desirable_weight=case.weights[0],
        undesirable_weight=case.weights[1],
        learning_rate=1e-2,
        num_train_epochs=case.epochs,
    )
    return trl.KTOTrainer(
        policy_of(model),
        args=settings,
        train_dataset=Dataset.from_list(columns),
        processing_class=load_tokenizer(model),
    )


def our_run(case: Case, model: Path, data: Path, folder: Path) -> None:
    overrides = small(
        model,
        data,
        folder.with_suffix(".cache"),
        objective=case.objective,
        objective__beta=BETA,
        objective__desirable_weight=case.weights[0],
        objective__undesirable_weight=case.weights[1],
        batch_size=case.batch,
        dataset__validation_fraction=0,
        dataset__test_fraction=0,
        optimizer__warmup_ratio=0,
        trainer__max_epochs=case.epochs,
        seed=SEED,
    )
    train(compose_config("train", [*overrides, f"output_dir={folder}"]), folder, {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.objective}-{case.rows}-rows")
def test_takes_the_steps_of_trl(case: Case, tiny_model_path: Path, tmp_path: Path) -> None:
    data = write_labelled(tmp_path / "rows.jsonl", case.rows)
    rows = [LabelledRow(**json.loads(line)) for line in data.read_text().splitlines()]
    theirs = trl_trainer(case, tiny_model_path, rows, tmp_path / "trl")
    start = {name: weight.clone() for name, weight in adapter_of(theirs.model).items()}
    theirs.train()
    our_run(case, tiny_model_path, data, tmp_path / "ours")

    found, history = metrics_of(tmp_path / "ours"), [entry for entry in theirs.state.log_history if "loss" in entry]
    assert len(found) == len(history) == STEPS
    for row, entry in zip(found, history, strict=True):
        assert row["train/loss"] == pytest.approx(entry["loss"], abs=1e-3)
        assert row["train/reference_point"] == pytest.approx(BETA * entry["kl"], abs=1e-3)
    assert found[-1]["train/loss"] != pytest.approx(found[0]["train/loss"], abs=0.02), "nothing was learnt to compare"
    if case.objective == "kto":
        assert max(row["train/reference_point"] for row in found) > 0.01, "no reference point to compare"
    assert_same_log_probs(tiny_model_path, rows, history[0], whole=case.epochs > 1)

    ours = load_file(tmp_path / "ours" / "adapter" / "adapter_model.safetensors")
    for name, weight in adapter_of(theirs.model).items():
        went = (weight - start[name]).norm()
        assert went > 0
        assert (ours[name] - weight).norm() < 0.01 * went


def adapter_of(model: Any) -> dict[str, torch.Tensor]:
    """The trained adapter's weights by the names of a saved one."""
    named = {name: weight.detach() for name, weight in model.named_parameters() if ".default." in name}
    return {name.replace(".default.", "."): weight for name, weight in named.items()}


def assert_same_log_probs(model: Path, rows: list[LabelledRow], first: dict[str, float], whole: bool) -> None:
    """Those of the first step's rows, by label, before it is taken."""
    step = rows if whole else [rows[i] for i in epoch_order(len(rows), SEED, 0)[:2]]
    tokens = tokenize(step, load_tokenizer(model), Prompt(), Limits(max_length=512)).rows
    (scored,) = score_completions(
        policy_of(model), tokens, batch_size=3, layout=share_prefixes, autocast=None, progress=False
    )
    for label, name in ((True, "logps/chosen"), (False, "logps/rejected")):
        own = [value for value, row in zip(scored.sums(), step, strict=True) if row.label is label]
        if own:
            assert sum(own) / len(own) == pytest.approx(first[name], abs=1e-4)
