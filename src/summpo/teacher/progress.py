"""How far a run has come, what it has cost: a line that is always there, on stderr."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from summpo.teacher.budget import Budget


class Progress:
    """The bar of a run."""

    def __init__(self, total: int | None, budget: Budget, is_shown: bool) -> None:
        self._budget = budget
        self._bar = tqdm(total=total, desc="teacher", unit="task", disable=not is_shown, dynamic_ncols=True)
        self.retries = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update(0)
        self._bar.close()

    def update(self, tasks: int) -> None:
        """So many more tasks have come to their end."""
        self._bar.set_postfix_str(self.standing(), refresh=False)
        self._bar.update(tasks)

    def standing(self) -> str:
        """What was spent, and what is under way."""
        spent, prices = self._budget.spent, self._budget.prices
        parts = [f"{thousands(spent.paid.prompt)} + {thousands(spent.paid.completion)} tokens"]
        cost, maybe = prices.cost(spent.paid), prices.cost(spent.maybe)
        if cost is not None and maybe is not None:
            parts.append(f"${cost:.2f}" + (f" (and ${maybe:.2f} at most maybe paid)" if maybe else ""))
        elif spent.maybe_paid:
            parts.append(f"{spent.maybe_paid} maybe paid")
        parts.append(f"{self._budget.in_flight} in flight")
        return ", ".join(parts + ([f"{self.retries} retries"] if self.retries else []))

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        tqdm.write(sentence, file=sys.stderr)


def thousands(count: int) -> str:
    """3, 12.4k, 1.20M."""
    if count < 1000:
        return str(count)
    return f"{count / 1e3:.1f}k" if count < 1e6 else f"{count / 1e6:.2f}M"
