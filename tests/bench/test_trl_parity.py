"""DPO from this code against TRL's DPOTrainer: the same tokens, log-probs, losses and weights.

Needs the extra `bench`; run with `pytest -m bench`. Both take AdamW with a cosine from the first step on, gradients
clipped at norm 1, float32, the same initial adapter, and the rows in this code's order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
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
from summpo.text.rows import PairRow
from summpo.text.tokens import Limits, tokenize
from summpo.training.plan import epoch_order
from summpo.training.run import train
from support.train_runs import metrics_of, small, write_rows
from support.trl_settings import plain

trl = pytest.importorskip("trl", reason="needs the extra bench (TRL)")
pytestmark = pytest.mark.bench

SEED = 42
BATCH = 2
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj"]


@dataclass(frozen=True)
class Setting:
    """A model, pairs and a number of steps."""

    model: Path
    rows: list[PairRow]
    lr: float
    tolerance: float
    """Of the weights at the end, as a share of the way that they went."""

    @property
    def steps(self) -> int:
        return len(self.rows) // BATCH


@pytest.fixture(params=["tiny", "real"])
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Setting:
    model: Path = request.getfixturevalue(f"{request.param}_model_path")
    if request.param == "tiny":
        file = write_rows(tmp_path / "rows.jsonl", 20 * BATCH)
        columns = [json.loads(line) for line in file.read_text().splitlines()]
        return Setting(model, [PairRow(**row) for row in columns], lr=1e-2, tolerance=0.01)
    file = request.getfixturevalue("shared_data") / "tldr_comparisons" / "train.jsonl"
    shortest = sorted(file.read_text("utf-8").splitlines(), key=len)[: 3 * BATCH]
    return Setting(model, [comparison(json.loads(line), i) for i, line in enumerate(shortest)], lr=2e-4, tolerance=0.05)


def comparison(source: dict[str, Any], number: int) -> PairRow:
    """A row of human comparisons. Stripped: a completion that begins with white space is another token row in TRL, where
    it may melt into the prompt's last token."""
    texts = [summary["text"].strip() for summary in source["summaries"]]
    document = source["info"]["post"] or source["info"]["article"]
    return PairRow(f"row-{number}", document, texts[source["choice"]], texts[1 - source["choice"]])


def policy_of(setting: Setting) -> Any:
    """The policy as a run begins with it."""
    torch.manual_seed(SEED)
    return add_lora(load_base(setting.model, Model(path=str(setting.model))), Lora(r=4, alpha=8, target_modules=LAYERS))


def trl_trainer(setting: Setting, folder: Path) -> Any:
    from datasets import Dataset

    prompt = Prompt()
    rows = [setting.rows[i] for i in epoch_order(len(setting.rows), SEED, 0)]
    columns = [{"prompt": prompt.around(r.document), "chosen": r.chosen, "rejected": r.rejected} for r in rows]
    settings = trl.DPOConfig(**plain(folder, BATCH, SEED), beta=0.1, learning_rate=setting.lr, num_train_epochs=1)
    return trl.DPOTrainer(
        policy_of(setting),
        args=settings,
        train_dataset=Dataset.from_list(columns),
        processing_class=load_tokenizer(setting.model),
    )


def our_run(setting: Setting, folder: Path) -> None:
    data = folder.with_suffix(".jsonl")
    fields = ("id", "document", "chosen", "rejected")
    lines = [json.dumps({name: getattr(row, name) for name in fields}) for row in setting.rows]
    data.write_text("\n".join(lines), "utf-8")
    overrides = small(
        setting.model,
        data,
        folder.with_suffix(".cache"),
        batch_size=BATCH,
        dataset__validation_fraction=0,
        dataset__test_fraction=0,
        optimizer__lr=setting.lr,
        optimizer__warmup_ratio=0,
        seed=SEED,
    )
    train(compose_config("train", [*overrides, f"output_dir={folder}"]), folder, {})


def test_dpo_takes_the_steps_of_trl(setting: Setting, tmp_path: Path) -> None:
    theirs = trl_trainer(setting, tmp_path / "trl")
    start = {name: weight.clone() for name, weight in adapter_of(theirs.model).items()}
    assert_same_tokens_and_log_probs(setting, theirs)
    theirs.train()
    our_run(setting, tmp_path / "ours")

    rows, history = metrics_of(tmp_path / "ours"), [entry for entry in theirs.state.log_history if "loss" in entry]
    assert len(rows) == len(history) == setting.steps
    for row, entry in zip(rows, history, strict=True):
        assert row["train/loss"] == pytest.approx(entry["loss"], abs=1e-3)
        assert row["train/reward_margin"] == pytest.approx(entry["rewards/margins"], abs=1e-3)
        assert row["train/log_prob_chosen"] == pytest.approx(entry["logps/chosen"], abs=1e-2)
    assert rows[0]["train/log_prob_chosen"] == pytest.approx(history[0]["logps/chosen"], abs=1e-4)
    assert rows[-1]["train/loss"] != pytest.approx(rows[0]["train/loss"], abs=2e-3), "nothing was learnt to compare"

    ours = load_file(tmp_path / "ours" / "adapter" / "adapter_model.safetensors")
    for name, weight in adapter_of(theirs.model).items():
        went = (weight - start[name]).norm()
        assert went > 0
        assert (ours[name] - weight).norm() < setting.tolerance * went


@pytest.mark.parametrize("shares_texts", [True, False])
def test_tokens_of_real_comparisons_are_trls(
    real_model_path: Path, shared_data: Path, tmp_path: Path, shares_texts: bool
) -> None:
    """The same ids of every row: of comparisons as they are, nine a post, and of as many that have no text in common."""
    from datasets import Dataset

    lines = (shared_data / "tldr_comparisons" / "train.jsonl").read_text("utf-8").splitlines()
    rows = [comparison(json.loads(line), i) for i, line in enumerate(lines)]
    if not shares_texts:
        texts = ("document", "chosen", "rejected")
        rows = [replace(row, **{name: f"{i} {getattr(row, name)}" for name in texts}) for i, row in enumerate(rows)]
    tokenizer, prompt = load_tokenizer(real_model_path), Prompt()
    columns = [{"prompt": prompt.around(r.document), "chosen": r.chosen, "rejected": r.rejected} for r in rows]
    settings = trl.DPOConfig(output_dir=str(tmp_path), max_length=None, bf16=False, report_to="none", use_cpu=True)
    trainer = SimpleNamespace(_tokenizer=tokenizer)

    theirs = trl.DPOTrainer._prepare_dataset(trainer, Dataset.from_list(columns), tokenizer, settings, "train")
    ours = tokenize(rows, tokenizer, prompt, Limits(max_length=4096)).rows

    assert len(theirs) == len(ours)
    for i, example in enumerate(theirs):
        own = [column[i].tolist() for column in (ours.prompts, *ours.completions)]
        assert own == [example["prompt_ids"], example["chosen_ids"], example["rejected_ids"]]


def adapter_of(model: Any) -> dict[str, torch.Tensor]:
    """The trained adapter's weights by the names of a saved one."""
    named = {name: weight.detach() for name, weight in model.named_parameters() if ".default." in name}
    return {name.replace(".default.", "."): weight for name, weight in named.items()}


def assert_same_tokens_and_log_probs(setting: Setting, theirs: Any) -> None:
    tokenizer = load_tokenizer(setting.model)
    rows = tokenize(setting.rows, tokenizer, Prompt(), Limits(max_length=4096)).rows
    scored = score_completions(
        policy_of(setting),
        rows,
        batch_size=3,
        layout=share_prefixes,
        autocast=None,
        progress=False,
    )
    order: Sequence[int] = epoch_order(len(setting.rows), SEED, 0).tolist()
    for position, row in enumerate(order):
        example = theirs.train_dataset[position]
        assert example["prompt_ids"] == rows.prompts[row].tolist()
        assert [example["chosen_ids"], example["rejected_ids"]] == [side[row].tolist() for side in rows.completions]
    for first in range(0, len(order), BATCH):
        batch = theirs.data_collator([theirs.train_dataset[i] for i in range(first, first + BATCH)])
        chosen, rejected = theirs.compute_ref_log_probs(theirs.model, batch)
        mine = [[np.sum(side[row], dtype=np.float64) for row in order[first : first + BATCH]] for side in scored]
        assert mine[0] == pytest.approx(chosen.tolist(), abs=1e-4)
        assert mine[1] == pytest.approx(rejected.tolist(), abs=1e-4)
