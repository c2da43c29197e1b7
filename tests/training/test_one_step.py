"""experiments/one_step.py: from rows to the loss and the step, in the arithmetic of the paper."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "one_step.py"


@pytest.mark.parametrize("w", [0.0, 0.1])
def test_the_first_loss_is_the_margins_and_the_step_lowers_it(w: float, tiny_model_path: Path, tmp_path: Path) -> None:
    """Before it, log(1 + exp(w m)) of each pair, for the policy is still the reference (2310.03708, eq. 11 with D = 0)."""
    step = runpy.run_path(str(SCRIPT))["step"]
    found = step(str(tiny_model_path), w, tmp_path / "cache")
    assert found["margin"][0] < 0 < found["margin"][1]
    assert found["before"] == pytest.approx(found["expected"], abs=1e-5)
    assert sum(found["after"]) < sum(found["before"])
