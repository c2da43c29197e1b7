"""The line that says what a run has cost."""

import pytest

from summpo.teacher.budget import Budget, Prices, Spent, Tokens
from summpo.teacher.progress import Progress, thousands

SPENT = Spent(Tokens(1_200_000, 34_500), Tokens(50_000, 0), 400, 2)


def test_says_tokens_and_money() -> None:
    """1.2 M at $1 and 34.5 k at $10: 1.20 + 0.345; at most 50 k at $1 more."""
    progress = Progress(10, Budget(Prices(1.0, 10.0), None, SPENT), False)
    assert progress.standing() == "1.20M + 34.5k tokens, $1.54 (and $0.05 at most maybe paid), 0 in flight"
    progress.retries = 3
    assert progress.standing().endswith(", 3 retries")


def test_without_prices_says_requests() -> None:
    budget = Budget(Prices(None, None), None, SPENT)
    budget.send(Tokens(1, 1))
    assert Progress(None, budget, False).standing() == "1.20M + 34.5k tokens, 2 maybe paid, 1 in flight"


def test_is_there_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(2, Budget(Prices(0.0, 0.0), None, Spent()), True) as progress:
        progress.update(1)
        progress.say("a word")
        progress.update(1)
    said = capsys.readouterr().err
    assert "2/2" in said and "0 + 0 tokens, $0.00, 0 in flight" in said and "a word\n" in said


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (999, "999"), (12_345, "12.3k"), (1_234_567, "1.23M")])
def test_thousands(count: int, said: str) -> None:
    assert thousands(count) == said
