"""What another adapter on the same base thinks of a completion: the reward that its preference training expressed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from summpo.errors import require, require_field, require_number
from summpo.margin_rewards import Completions


@dataclass(frozen=True)
class Implicit:
    """beta (log pi_m - log ref): the implicit reward of an adapter trained by DPO on another preference.

    The margin of MODPO's safety example (2310.03708, section 4.2): human preference on one dimension beside a model of
    another. `ref` is the base without any adapter, the model that pi_m was trained from.
    """

    adapter: str
    """A PEFT folder, trained on the run's base: RUN/adapter of a run on the other preference."""
    beta: float = 0.1
    """The beta that the adapter was trained with; > 0."""

    incidental: ClassVar[tuple[str, ...]] = ("adapter",)

    def __post_init__(self) -> None:
        require_field("adapter", bool(self.adapter.strip()), "adapter must name a folder, got ''")
        require_number("beta", self.beta, above=0)

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's implicit reward, in nats times beta.

        Raises:
            MissingColumn: there is no base at hand to put the adapter on.
        """
        return [self.beta * ratio for ratio in completions.needed_log_ratios(self.adapter, "implicit")]

    def check(self, key: str) -> None:
        """The adapter's folder is there and holds the PEFT adapter of a model that writes."""
        from summpo.models.weights.folders import SCORES, adapter_task, check_adapter

        folder = Path(self.adapter).expanduser()
        check_adapter(folder, f"{key}.adapter")
        require(
            adapter_task(folder) != SCORES,
            f"the adapter {folder} is a reward model's, which has no log-probs: merge it and choose "
            f"margin_reward=reward_model (config key {key}.adapter)",
        )

    def fingerprint(self, cache_dir: Path | None) -> str:
        """The adapter's settings and weights."""
        from summpo.models.weights.fingerprints import fingerprint_adapter

        return fingerprint_adapter(Path(self.adapter).expanduser())
