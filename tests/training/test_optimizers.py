"""AdamW and its schedule: by hand, as laws, and on real parameters."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from summpo.errors import UserError
from summpo.training.optimizers import AdamW, learning_rate_scale


@pytest.mark.parametrize(
    ("schedule", "scales"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]),
        ("cosine", [0.5, 1, 1, *[(1 + math.cos(math.pi * k / 8)) / 2 for k in range(1, 9)]]),
    ],
)
def test_scale_by_hand(schedule: str, scales: list[float]) -> None:
    """10 steps, a fifth of them warm-up: 1/2 and 2/2 of the peak, then 8 steps from the peak towards 0 at step 10."""
    given = [learning_rate_scale(step, schedule=schedule, warmup=2, total=10) for step in range(11)]
    assert given == pytest.approx(scales)


@given(
    st.sampled_from(["cosine", "linear", "constant"]),
    st.floats(0, 1),
    st.integers(1, 300),
)
def test_scale_rises_to_the_peak_then_never_rises(schedule: str, warmup_ratio: float, total: int) -> None:
    warmup = AdamW(warmup_ratio=warmup_ratio).warmup(total)
    assert warmup == math.ceil(warmup_ratio * total)
    scales = [learning_rate_scale(step, schedule=schedule, warmup=warmup, total=total) for step in range(total)]
    assert all(0 < scale <= 1 for scale in scales)
    assert scales[: warmup + 1] == sorted(scales[: warmup + 1])
    assert scales[max(0, warmup - 1) :] == sorted(scales[max(0, warmup - 1) :], reverse=True)
    assert max(scales) == 1.0
    assert learning_rate_scale(total + 5, schedule=schedule, warmup=warmup, total=total) <= scales[-1]


def test_warm_up_as_a_number_of_steps() -> None:
    """10 of 40 steps as of 400: 0.1 to 1, then down. A run of 4 never comes to the peak."""
    settings = AdamW(warmup_steps=10)
    assert [settings.warmup(total) for total in (4, 40, 400)] == [10] * 3
    scales = [learning_rate_scale(step, schedule="cosine", warmup=10, total=40) for step in range(40)]
    assert scales[:11] == pytest.approx([*[step / 10 for step in range(1, 11)], 1])
    assert scales[25] == pytest.approx(0.5), "half way from step 10 to 40"
    optimizer, schedule = AdamW(lr=5e-5, warmup_steps=10).build(layers().parameters(), 4)
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([5e-6, 1e-5, 1.5e-5, 2e-5])
    assert AdamW(warmup_steps=0).warmup(40) == 0


def layers() -> nn.Module:
    """A frozen layer, and one that trains: a matrix and a vector."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    model[0].requires_grad_(False)
    return model


def test_trains_what_is_not_frozen_and_decays_matrices_alone() -> None:
    model = layers()
    optimizer, _ = AdamW(lr=1e-3, weight_decay=0.1, betas=(0.8, 0.95)).build(model.parameters(), 10)
    matrices, vectors = optimizer.param_groups
    assert [id(p) for p in matrices["params"]] == [id(model[1].weight)]  # type: ignore[index]
    assert [id(p) for p in vectors["params"]] == [id(model[1].bias)]  # type: ignore[index]
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert matrices["betas"] == (0.8, 0.95)


def test_an_adapter_has_matrices_alone() -> None:
    optimizer, _ = AdamW().build([nn.Parameter(torch.zeros(2, 2))], 10)
    assert len(optimizer.param_groups) == 1


def test_the_learning_rate_of_every_step() -> None:
    settings = AdamW(lr=3e-4, warmup_ratio=0.3, schedule="linear")
    model = layers()
    optimizer, schedule = settings.build(model.parameters(), 7)
    for step in range(7):
        expected = 3e-4 * learning_rate_scale(step, schedule="linear", warmup=3, total=7)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([expected] * 2)
        optimizer.step()
        schedule.step()


def test_the_first_step_by_hand() -> None:
    """Adam's first step is lr * sign(gradient) whatever its size; decay takes lr * weight_decay of the weight before it.

    weight 2, gradient 5, lr 0.1, decay 0.5: 2 * (1 - 0.05) - 0.1 = 1.8.
    """
    weight = nn.Parameter(torch.tensor([[2.0]]))
    optimizer, _ = AdamW(lr=0.1, weight_decay=0.5, warmup_ratio=0.0, schedule="constant").build([weight], 1)
    weight.grad = torch.tensor([[5.0]])
    optimizer.step()
    assert weight.item() == pytest.approx(1.8, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0.0}, "lr must be > 0, got 0.0 (config key optimizer.lr)"),
        ({"lr": math.nan}, "lr must be > 0, got nan (config key optimizer.lr)"),
        ({"weight_decay": -1.0}, "weight_decay must be >= 0, got -1.0 (config key optimizer.weight_decay)"),
        ({"warmup_ratio": 1.1}, "warmup_ratio must be >= 0 and <= 1, got 1.1 (config key optimizer.warmup_ratio)"),
        ({"warmup_steps": -1}, "warmup_steps must be >= 0, got -1 (config key optimizer.warmup_steps)"),
        (
            {"warmup_steps": 10, "warmup_ratio": 0.2},
            "warmup_steps=10 and warmup_ratio=0.2 are two lengths of one warm-up: leave warmup_ratio at 0.1 "
            "(config key optimizer.warmup_steps)",
        ),
        (
            {"schedule": "step"},
            "schedule must be one of cosine, linear, constant, got step (config key optimizer.schedule)",
        ),
        ({"betas": (0.9, 1.0)}, "betas must be two numbers in [0, 1), got [0.9, 1.0] (config key optimizer.betas)"),
        ({"betas": (0.9,)}, "betas must be two numbers in [0, 1), got [0.9] (config key optimizer.betas)"),
    ],
)
def test_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        AdamW(**settings)
    assert str(refusal.value) == sentence
