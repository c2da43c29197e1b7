"""The objectives against TRL's own code on the same random log-probs, to 1e-6.

Needs the extra `bench`; run with `pytest -m bench`. TRL computes its losses inside its trainers' methods, so these are
called on an object that holds their settings and a model whose answer is the log-probs.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from torch import Tensor

from summpo.metrics import accuracy
from summpo.objectives.cpo import CPO
from summpo.objectives.dpo import DPO
from summpo.objectives.dpo_hinge import DPOHinge
from summpo.objectives.dpo_robust import DPORobust
from summpo.objectives.ipo import IPO
from summpo.objectives.ld_dpo import LDDPO
from summpo.objectives.ln_dpo import LNDPO
from summpo.objectives.orpo import ORPO
from summpo.objectives.reward_model import RewardModel
from summpo.objectives.simpo import SimPO
from summpo.records import LogProbs, PairLogProbs

trl = pytest.importorskip("trl", reason="needs the extra bench (TRL)")
pytestmark = pytest.mark.bench

PAIRS = 50
generator = torch.Generator().manual_seed(0)
LENGTHS = torch.randint(1, 40, (2 * PAIRS,), generator=generator)
POLICY, REFERENCE = (-4 * torch.rand(int(LENGTHS.sum()), generator=generator) for _ in range(2))
PROMPT = 5


def ours(objective: Any) -> Tensor:
    """[pair]."""
    pairs = PairLogProbs(LogProbs(POLICY, LENGTHS), LogProbs(REFERENCE, LENGTHS), np.arange(PAIRS))
    return objective.losses(pairs, torch.zeros(PAIRS)).loss


def laid_out(tokens: Tensor) -> Tensor:
    """[sequence, position] after a prompt, as TRL has them: 0 but for the completion's tokens, the first input shifted off."""
    rows = [torch.cat([torch.zeros(PROMPT - 1), row]) for row in tokens.split(LENGTHS.tolist())]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def trl_dpo(loss_type: str, ld_alpha: float | None = None, **settings: float) -> float:
    """The mean loss of `DPOTrainer`, which finds its log-probs in the answers of two models."""

    def model(tokens: Tensor) -> Any:
        log_probs = laid_out(tokens)
        blank = torch.zeros_like(log_probs)
        answer = SimpleNamespace(log_probs=log_probs, entropy=blank, mean_logits=blank, is_top1=blank.bool())
        return MagicMock(return_value=answer, training=True)

    mask = torch.nn.functional.pad((laid_out(torch.ones_like(POLICY)) > 0).long(), (1, 0))
    trainer = SimpleNamespace(
        model=model(POLICY),
        ref_model=model(REFERENCE),
        accelerator=SimpleNamespace(
            device=torch.device("cpu"), gather=lambda value: value, gather_for_metrics=lambda value: value
        ),
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        loss_types=[loss_type],
        loss_weights=[1.0],
        ld_alpha=ld_alpha,
        f_divergence_type="reverse_kl",
        aux_loss_enabled=False,
        precompute_ref_logps=False,
        use_weighting=False,
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
        **settings,
    )
    inputs = {"input_ids": mask, "attention_mask": mask, "completion_mask": mask}
    return trl.DPOTrainer._compute_loss(trainer, trainer.model, inputs, False).item()


@pytest.mark.parametrize(
    ("objective", "loss_type", "settings"),
    [
        (DPO(0.3), "sigmoid", {"beta": 0.3}),
        (DPOHinge(0.3), "hinge", {"beta": 0.3}),
        (DPORobust(0.3, 0.2), "robust", {"beta": 0.3, "label_smoothing": 0.2}),
        (IPO(0.3), "ipo", {"beta": 0.3}),
        (LNDPO(3.0), "sigmoid_norm", {"beta": 3.0}),
        (LDDPO(0.3, 0.4), "sigmoid", {"beta": 0.3, "ld_alpha": 0.4}),
    ],
)
def test_equals_the_loss_of_trls_dpo_trainer(objective: Any, loss_type: str, settings: dict[str, float]) -> None:
    assert ours(objective).mean().item() == pytest.approx(trl_dpo(loss_type, **settings), rel=1e-6)


def sums_and_means() -> tuple[Tensor, Tensor]:
    policy = LogProbs(POLICY, LENGTHS)
    return policy.sums(), policy.means()


@pytest.mark.parametrize(
    ("objective", "loss_type", "gamma"), [(CPO(0.3, alpha=0.0), "sigmoid", 0.0), (SimPO(2.0, gamma=0.7), "simpo", 0.7)]
)
def test_equals_the_loss_of_trls_cpo_trainer(objective: Any, loss_type: str, gamma: float) -> None:
    from trl.experimental.cpo import CPOTrainer

    trainer: Any = SimpleNamespace(
        alpha=0.0, beta=objective.beta, loss_type=loss_type, simpo_gamma=gamma, label_smoothing=0.0,
        accelerator=SimpleNamespace(device=torch.device("cpu")),
    )  # fmt: skip
    sums, means = sums_and_means()
    losses, _, _ = CPOTrainer.cpo_loss(trainer, *(means if loss_type == "simpo" else sums).chunk(2))
    assert torch.allclose(ours(objective), losses, rtol=1e-6, atol=1e-6)


def test_equals_the_loss_of_trls_orpo_trainer() -> None:
    from trl.experimental.orpo import ORPOTrainer

    _, means = sums_and_means()
    trainer: Any = SimpleNamespace(beta=0.3, accelerator=SimpleNamespace(device=torch.device("cpu")))
    ratios = ORPOTrainer.odds_ratio_loss(trainer, *means.chunk(2))[0]
    assert torch.allclose(ours(ORPO(0.3)), -means[:PAIRS] - ratios, rtol=1e-6, atol=1e-6)


def test_the_reward_models_loss_equals_that_of_trls_reward_trainer() -> None:
    """With a margin a pair, which both take off the difference of the scores."""
    scores, margin = torch.randn(2 * PAIRS, generator=generator), torch.randn(PAIRS, generator=generator)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=False),
        args=SimpleNamespace(center_rewards_coefficient=None),
        accelerator=SimpleNamespace(gather=lambda value: value, gather_for_metrics=lambda value: value),
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
    )
    model = MagicMock(return_value=SimpleNamespace(logits=scores.unsqueeze(1)))
    theirs = trl.RewardTrainer.compute_loss(trainer, model, {"margin": margin, "attention_mask": torch.ones(1)})
    made = RewardModel().score_losses(scores, margin)
    assert made.loss.mean().item() == pytest.approx(theirs.item(), rel=1e-6)
    assert accuracy(made.rewards[:PAIRS] - made.rewards[PAIRS:]).mean().item() == pytest.approx(
        trainer._metrics["eval"]["accuracy"][0]
    )
