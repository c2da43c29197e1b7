"""What is measured of pairs and tokens."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.row_kinds.metrics import accuracy, kl_divergence


def test_by_hand() -> None:
    """Logits 2 (right), -0.5 (wrong), 0 (cannot tell), 1e-30 (right, if barely): 1, 0, 0.5, 1; mean 2.5 / 4."""
    values = accuracy(torch.tensor([2.0, -0.5, 0.0, 1e-30]))
    assert values.tolist() == [1.0, 0.0, 0.5, 1.0]
    assert values.mean().item() == 0.625


@given(st.lists(st.floats(-5, 5), min_size=1))
def test_a_pair_and_its_swap_sum_to_1(logits: list[float]) -> None:
    logit = torch.tensor(logits, dtype=torch.float64)
    assert torch.equal(accuracy(logit) + accuracy(-logit), torch.ones_like(logit))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_the_type(dtype: torch.dtype) -> None:
    assert accuracy(torch.zeros(2, dtype=dtype)).dtype == dtype


def test_kl_by_hand() -> None:
    """p = (3/4, 1/4), q = (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2) = 0.1308; the other way 1/2 ln(2/3) + 1/2 ln 2 = 0.1438."""
    p, q = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 0.5]]).log()
    assert kl_divergence(p + 3, q - 5).item() == pytest.approx(0.75 * math.log(1.5) - 0.25 * math.log(2), abs=1e-6)
    assert kl_divergence(q, p).item() == pytest.approx(0.1438, abs=1e-4)
    assert kl_divergence(p, p).item() == 0
