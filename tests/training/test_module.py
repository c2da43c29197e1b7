"""The modules' own part: which numbers are logged, what a checkpoint keeps, what dropout depends on, when to stop."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from summpo.models import Lora, Model
from summpo.models.forward.layouts import pad
from summpo.models.forward.log_probs import completion_log_probs
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from summpo.objectives.dpo import DPO
from summpo.objectives.losses import margin_logit, sigmoid_link
from summpo.objectives.modpo import MODPO
from summpo.objectives.sampo import SamPO
from summpo.objectives.sft import SFT
from summpo.objectives.sft_term import WithSFT
from summpo.objectives.wpo import WPO
from summpo.records import FrozenColumns, PairBatch, Ragged, Texts, TokenRows
from summpo.row_kinds.completions import Completions, completion_batch
from summpo.row_kinds.pairs import Pairs, pair_batch, row_seeds
from summpo.training.module import BadLoss, TrainingModule
from summpo.training.optimizers import AdamW
from summpo.training.plan import Plan

PLAN = Plan(rows=3, batch_size=3, world_size=1, accumulate=1, seed=5)


@pytest.fixture(scope="module")
def policy(tiny_model_path: Path) -> nn.Module:
    torch.manual_seed(0)
    model = load_base(tiny_model_path, Model(path=str(tiny_model_path)))
    return add_lora(model, Lora(r=2, alpha=4, dropout=0.5, target_modules="all-linear"))


def ragged(*rows: list[float], dtype: type = np.int32) -> Ragged:
    return Ragged.from_rows([np.asarray(row) for row in rows], dtype)


def pairs() -> PairBatch:
    """Two pairs with two margin rewards; the reference gives each token a log-prob of -5."""
    chosen, rejected = ragged([7, 8, 1], [9, 1]), ragged([10, 1], [11, 12, 13, 1])
    rows = TokenRows(Texts.of(["a", "b"]), ragged([5, 6], [5, 6, 7]), (chosen, rejected))
    reference = tuple(ragged(*([-5.0] * n for n in side.lengths), dtype=np.float32) for side in (chosen, rejected))
    margins = np.asarray([[-1.0, 300.5], [2.0, 0.0]], np.float32)
    return pair_batch(FrozenColumns(rows, reference, margins), np.arange(2), np.ones(2), partial(pad, pad_id=1))


def preference(policy: nn.Module) -> TrainingModule:
    return TrainingModule(policy, Pairs(MODPO(beta=0.2, w0=0.5)), [0.1, 0.01], AdamW(), PLAN, total_steps=1)


def test_a_pairs_numbers_are_those_of_its_log_probs_and_margins(policy: nn.Module) -> None:
    module, batch = preference(policy).eval(), pairs()
    with torch.no_grad():
        values = module.measure(batch).values
        sums = completion_log_probs(policy, batch).sums()
    # the reference's sums are -5 a token: 3 and 2 chosen, 2 and 4 rejected
    chosen = 0.2 * (sums[:2] - torch.tensor([-15.0, -10.0]))
    rejected = 0.2 * (sums[2:] - torch.tensor([-10.0, -20.0]))
    margin = torch.tensor([-0.1 + 3.005, 0.2])
    expected = {
        "loss": sigmoid_link(margin_logit(torch.cat([chosen, rejected]), margin, 0.5)),
        "reward_margin": chosen - rejected,
        "weighted_margin": margin,
        "implicit_reward_chosen": chosen,
        "implicit_reward_rejected": rejected,
        "log_prob_chosen": sums[:2],
        "log_prob_rejected": sums[2:],
        "reward_accuracy": (chosen > rejected).float(),
        "reward_accuracy_with_margin": (chosen - rejected > margin).float(),
    }
    assert values.keys() == expected.keys()
    for name, value in expected.items():
        assert values[name].tolist() == pytest.approx(value.tolist(), rel=1e-5), name


def test_a_steps_draw_is_of_run_step_and_row() -> None:
    """One draw for policy and reference hangs on it: the same again, another in each run, step and row."""
    seeds = row_seeds(["a", "b"], 5, 7)
    assert seeds.tolist() == row_seeds(["a", "b"], 5, 7).tolist()
    assert row_seeds(["x", "b"], 5, 7)[1] == seeds[1], "no neighbour changes it"
    others = [row_seeds(["a"], *draw)[0] for draw in ((5, 8), (6, 7), (5,))]
    assert len({*others, *seeds.tolist()}) == 5


def test_the_module_draws_anew_at_each_step(policy: nn.Module) -> None:
    """SamPO on completions of 2 and 3 tokens, 2 and 4: which of them count changes with the step and with the run."""
    batch = pairs()

    def losses(seed: int, *draw: int) -> tuple[float, ...]:
        plan = replace(PLAN, seed=seed)
        module = TrainingModule(policy, Pairs(SamPO(beta=0.5)), [0.1, 0.01], AdamW(), plan, total_steps=1).eval()
        with torch.no_grad():
            return tuple(module.measure(batch, *draw).values["loss"].tolist())

    assert losses(5, 1) == losses(5, 1)
    assert len({losses(5, step) for step in range(8)}) > 1
    assert len({losses(seed, 0) for seed in range(8)}) > 1


def test_a_checkpoint_keeps_the_trainable_weights_alone(policy: nn.Module) -> None:
    module = preference(policy)
    checkpoint = {"state_dict": dict(module.state_dict())}
    module.on_save_checkpoint(checkpoint)
    assert checkpoint["state_dict"].keys() == {name for name, p in module.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in checkpoint["state_dict"])


@pytest.mark.parametrize("came_in_training", [True, False])
def test_the_adapters_dropout_is_the_only_one_however_the_policy_came(
    policy: nn.Module, came_in_training: bool
) -> None:
    policy.train(came_in_training)
    module = preference(policy)
    module.on_fit_start()
    modes = {name: layer.training for name, layer in module.named_modules()}
    assert any(modes.values())
    assert all("lora_dropout" in name for name, training in modes.items() if training)


def test_dropout_depends_on_seed_batch_and_rank_alone(policy: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(seed: int, batch: int, rank: int) -> float:
        plan = Plan(rows=3, batch_size=3, world_size=1, accumulate=1, seed=seed)
        module = TrainingModule(policy, Completions(SFT()), [], AdamW(), plan, 1)
        monkeypatch.setattr(TrainingModule, "global_rank", rank)
        torch.rand(batch)
        module.on_train_batch_start(pairs(), batch)
        return torch.rand(1).item()

    places = [(5, 0, 0), (5, 1, 0), (5, 0, 1), (6, 0, 0), (2**40, 10**6, 7)]
    assert [draw(*place) for place in places] == [draw(*place) for place in places]
    assert len({draw(*place) for place in places}) == len(places)


def in_one_process(module: Any) -> list[tuple[str, float]]:
    """Gives a module what it asks of a trainer; returns the list of what it logs from now on."""
    logged: list[tuple[str, float]] = []
    module._trainer = SimpleNamespace(world_size=1, global_step=4, is_last_batch=False, _results=None)
    module.log = lambda name, value, **options: logged.append((name, float(value)))
    return logged


NO_OPTIMIZER: Any = None


def completions(share: list[float]) -> Any:
    rows = TokenRows(Texts.of(["a", "b", "c"]), ragged([5], [5, 6], [7]), (ragged([8, 1], [9, 10, 11, 1], [1]),))
    frozen = FrozenColumns(rows, None, np.zeros((3, 0), np.float32))
    return completion_batch(frozen, np.arange(3), np.asarray(share), partial(pad, pad_id=1))


def test_sft_learns_the_mean_over_tokens_and_not_over_rows(policy: nn.Module) -> None:
    module = TrainingModule(policy, Completions(SFT()), [], AdamW(), PLAN, total_steps=1).eval()
    logged = in_one_process(module)
    batch = completions([1 / 7] * 3)  # 2 + 4 + 1 tokens
    loss = module.training_step(batch, 0)
    module.on_before_optimizer_step(NO_OPTIMIZER)
    tokens = completion_log_probs(policy, batch).tokens
    assert loss.item() == pytest.approx(-tokens.mean().item(), rel=1e-5)
    assert logged == [("train/loss", pytest.approx(loss.item()))]


def test_wpo_is_weighed_by_the_whole_vocabulary_and_sft_stands_beside_it(policy: nn.Module) -> None:
    """p(token) / sum_v p_v^2, the mean of its logarithm over a completion's tokens, both completions; no gradient in it."""
    batch = pairs()
    with torch.no_grad():
        p = policy(input_ids=batch.input_ids, attention_mask=batch.layout.attention_mask).logits.softmax(-1)  # type: ignore[union-attr]
        p = p.flatten(0, 1)[batch.predicted_at]
        aligned = p.gather(1, batch.targets[:, None]).squeeze(1).log() - p.square().sum(1).log()
        chosen, rejected = torch.stack([part.mean() for part in aligned.split(batch.lengths.tolist())]).chunk(2)
        dpo, wpo, both = (
            TrainingModule(policy, Pairs(objective), [0.1, 0.01], AdamW(), PLAN, total_steps=1)
            .eval()
            .measure(batch)
            .values
            for objective in (DPO(0.2), WPO(0.2), WithSFT(WPO(0.2), 0.5))
        )
    assert torch.allclose(wpo["loss"], (chosen + rejected).exp() * dpo["loss"], rtol=1e-4)
    assert not torch.allclose(wpo["loss"], dpo["loss"], rtol=0.1)
    tokens = dpo["log_prob_chosen"] / batch.lengths[:2]
    assert torch.allclose(both["loss"], wpo["loss"] - 0.5 * tokens, rtol=1e-5)
    assert all(torch.equal(both[name], wpo[name]) for name in wpo if name != "loss")


def test_validation_leaves_out_what_only_fills_up(policy: nn.Module) -> None:
    module = TrainingModule(policy, Completions(SFT()), [], AdamW(), PLAN, total_steps=1).eval()
    logged = in_one_process(module)
    module.on_validation_epoch_start()
    with torch.no_grad():
        module.validation_step(completions([1, 1, 0]))
        module.on_validation_epoch_end()
        tokens = completion_log_probs(policy, completions([1, 1, 0])).tokens
    assert logged == [("val/loss", pytest.approx(-tokens[:6].mean().item(), rel=1e-5))]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_its_rows(policy: nn.Module, value: float) -> None:
    module = TrainingModule(policy, Completions(SFT()), [], AdamW(), PLAN, total_steps=1).eval()
    in_one_process(module)
    module.training_step(completions([value] * 3), 0)
    with pytest.raises(BadLoss, match=f"the loss of step 5 is {value} on the rows a, b, c"):
        module.on_before_optimizer_step(NO_OPTIMIZER)
    module.on_validation_epoch_start()
    module.validation_step(completions([1, 1, 1]))
    module.validation_step(completions([value] * 3))
    with pytest.raises(BadLoss, match=f"the validation loss after step 4 is {value} on the rows a, b, c"):
        module.on_validation_epoch_end()
