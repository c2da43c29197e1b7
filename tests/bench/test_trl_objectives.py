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

from summpo.models.forward.log_probs import _FrozenHead, log_collisions
from summpo.objectives.alphapo import AlphaPO
from summpo.objectives.apo_down import APODown
from summpo.objectives.apo_zero import APOZero
from summpo.objectives.cpo import CPO
from summpo.objectives.dpo import DPO
from summpo.objectives.dpo_hinge import DPOHinge
from summpo.objectives.dpo_robust import DPORobust
from summpo.objectives.ipo import IPO
from summpo.objectives.ld_dpo import LDDPO
from summpo.objectives.ln_dpo import LNDPO
from summpo.objectives.orpo import ORPO
from summpo.objectives.reward_model import RewardModel
from summpo.objectives.sft_term import WithSFT
from summpo.objectives.simpo import SimPO
from summpo.objectives.wpo import WPO
from summpo.records import LogProbs, PairLogProbs
from summpo.row_kinds.metrics import accuracy

trl = pytest.importorskip("trl", reason="needs the extra bench (TRL)")
pytestmark = pytest.mark.bench

PAIRS = 50
generator = torch.Generator().manual_seed(0)
LENGTHS = torch.randint(1, 40, (2 * PAIRS,), generator=generator)
POLICY, REFERENCE, COLLISIONS = (
    -4 * torch.rand(int(LENGTHS.sum()), dtype=torch.float64, generator=generator) for _ in range(3)
)
PROMPT = 5


def ours(objective: Any, collisions: Tensor | None = COLLISIONS) -> Tensor:
    """[pair], in the log-probs' own precision: sums of 40 of them in another order differ by 1e-6 in float32."""
    pairs = PairLogProbs(LogProbs(POLICY, LENGTHS, collisions), LogProbs(REFERENCE, LENGTHS), np.arange(PAIRS))
    return objective.losses(pairs, torch.zeros(PAIRS, dtype=POLICY.dtype)).loss


def laid_out(tokens: Tensor, pairs: list[int]) -> Tensor:
    """[sequence, position] after a prompt, as TRL has them: 0 but for the completion's tokens, the first input shifted off."""
    sequences = tokens.split(LENGTHS.tolist())
    kept = [sequences[pair + side] for side in (0, PAIRS) for pair in pairs]
    rows = [torch.cat([row.new_zeros(PROMPT - 1), row]) for row in kept]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def trl_dpo(
    *loss_types: str,
    loss_weights: tuple[float, ...] = (1.0,),
    ld_alpha: float | None = None,
    collisions: Tensor | None = None,
    pairs: list[int] | None = None,
    **settings: float,
) -> float:
    """The mean loss of `DPOTrainer` over pairs, all by default; it finds its log-probs in the answers of two models."""
    batch = list(range(PAIRS)) if pairs is None else pairs

    def model(tokens: Tensor) -> Any:
        log_probs = laid_out(tokens, batch)
        blank = torch.zeros_like(log_probs)
        answer = SimpleNamespace(
            log_probs=log_probs,
            entropy=blank,
            mean_logits=blank,
            is_top1=blank.bool(),
            log_sum_sq_probs=None if collisions is None else laid_out(collisions, batch),
        )
        return MagicMock(return_value=answer, training=True)

    mask = torch.nn.functional.pad((laid_out(torch.ones_like(POLICY), batch) > 0).long(), (1, 0))
    trainer = SimpleNamespace(
        model=model(POLICY),
        ref_model=model(REFERENCE),
        accelerator=SimpleNamespace(
            device=torch.device("cpu"), gather=lambda value: value, gather_for_metrics=lambda value: value
        ),
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        loss_types=list(loss_types),
        loss_weights=list(loss_weights),
        ld_alpha=ld_alpha,
        f_divergence_type="reverse_kl",
        aux_loss_enabled=False,
        precompute_ref_logps=False,
        use_weighting=collisions is not None,
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
        (APOZero(0.3), "apo_zero", {"beta": 0.3}),
        (APODown(0.3), "apo_down", {"beta": 0.3}),
    ],
)
def test_equals_the_loss_of_trls_dpo_trainer(objective: Any, loss_type: str, settings: dict[str, float]) -> None:
    assert ours(objective).mean().item() == pytest.approx(trl_dpo(loss_type, **settings), rel=1e-6)


def test_wpo_equals_trls_weighting() -> None:
    """With the collisions that a model tells, and with none (log 1), where the weights are the bare probabilities."""
    found = [ours(WPO(0.3), collisions).mean().item() for collisions in (COLLISIONS, None)]
    theirs = [trl_dpo("sigmoid", beta=0.3, collisions=collisions) for collisions in (COLLISIONS, 0 * COLLISIONS)]
    assert found == pytest.approx(theirs, rel=1e-6)
    assert found[0] != pytest.approx(found[1], rel=0.1)


@pytest.mark.parametrize(
    ("objective", "loss_type"), [(DPO(0.3), "sigmoid"), (IPO(0.3), "ipo"), (APOZero(0.3), "apo_zero")]
)
def test_the_sft_term_equals_that_of_trls_dpo_trainer(objective: Any, loss_type: str) -> None:
    """Pair by pair: over a batch TRL takes the mean over all chosen tokens, which is the same where lengths are."""
    theirs = [trl_dpo(loss_type, "sft", loss_weights=(1.0, 0.7), beta=0.3, pairs=[pair]) for pair in range(PAIRS)]
    assert ours(WithSFT(objective, 0.7)).tolist() == pytest.approx(theirs, rel=1e-6)
    alike = [pair for pair in range(PAIRS) if LENGTHS[pair] == LENGTHS[:PAIRS].mode().values]
    assert len(alike) > 1
    together = trl_dpo(loss_type, "sft", loss_weights=(1.0, 0.7), beta=0.3, pairs=alike)
    assert ours(WithSFT(objective, 0.7))[alike].mean().item() == pytest.approx(together, rel=1e-6)


def test_collisions_equal_those_of_trls_kernel() -> None:
    """From hidden states and a head, as both have them, and the log-probs beside them."""
    from trl.kernels.chunked_logprob import ChunkedLogProbFunction

    hidden, weight = torch.randn(30, 16, generator=generator), torch.randn(500, 16, generator=generator)
    targets = torch.randint(500, (30,), generator=generator)
    found = _FrozenHead.apply(hidden, weight, None, targets, True)
    log_probs, _, theirs, *_ = ChunkedLogProbFunction.apply(hidden, weight, None, targets, 1.0, 128)
    assert torch.allclose(found[0], log_probs, rtol=1e-6, atol=1e-6)
    assert torch.allclose(found[1], theirs, rtol=1e-6, atol=1e-6)
    assert torch.allclose(log_collisions(hidden @ weight.T), theirs, rtol=1e-6, atol=1e-6)


def sums_and_means() -> tuple[Tensor, Tensor]:
    policy = LogProbs(POLICY, LENGTHS)
    return policy.sums(), policy.means()


@pytest.mark.parametrize(
    ("objective", "loss_type", "gamma", "alpha"),
    [
        (CPO(0.3, alpha=0.0), "sigmoid", 0.0, 0.0),
        (SimPO(2.0, gamma=0.7), "simpo", 0.7, 0.0),
        (AlphaPO(2.5, 0.1, alpha=0.25), "simpo", 0.1, 0.25),
        (AlphaPO(2.5, 0.7, alpha=-0.5), "simpo", 0.7, -0.5),
        (AlphaPO(2.0, 0.7, alpha=0.0), "simpo", 0.7, 0.0),
    ],
)
def test_equals_the_loss_of_trls_cpo_trainer(objective: Any, loss_type: str, gamma: float, alpha: float) -> None:
    from trl.experimental.cpo import CPOTrainer

    trainer: Any = SimpleNamespace(
        alpha=alpha, beta=objective.beta, loss_type=loss_type, simpo_gamma=gamma, label_smoothing=0.0,
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
