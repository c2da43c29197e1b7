"""A pair, and whole inspections, made here: with long names, many sources, no margin, one pair."""

import numpy as np

from summpo.inspection import Inspection
from summpo.inspection.fit import Fit
from summpo.inspection.lengths import Lengths, histogram, longer_by, longer_by_difference
from summpo.inspection.repeats import Repeats, Shared
from summpo.inspection.statistics import quantiles, tendency
from summpo.inspection.weights import break_even_of_w, points, rewards_of, sweep_of
from summpo.text.rows import PairRow


def pair(document: str, chosen: str, rejected: str, **columns: str) -> PairRow:
    return PairRow(f"{document}-{chosen}-{rejected}", document, chosen, rejected, **columns)


def inspection(
    pairs: int = 200, sources: int = 3, rewards: tuple[str, ...] = ("length",), size: int = 60
) -> Inspection:
    rng = np.random.default_rng(0)
    chosen, rejected = rng.integers(1, size, pairs), rng.integers(1, size, pairs)
    lengths = Lengths(chosen, rejected, chosen // 2, rejected // 2)
    margins = (
        np.stack([(rejected - chosen) / 10**n for n in range(len(rewards))], axis=1) if rewards else np.zeros((0, 0))
    )
    weights = [None] * len(rewards)
    by = longer_by(lengths)
    at = break_even_of_w(margins, weights)
    sweep = sweep_of(margins, weights, 1.0, at)
    return Inspection(
        dataset="Jsonl $pairs_1^$.jsonl",
        split="train",
        pairs=pairs,
        stops=None,
        fit=Fit(pairs + 3, 512, "drop", {"identical_pair": 1}, 2, 1, quantiles(chosen + 400)),
        longer=by,
        by_source={f"$a_{n}^$ source with a long name, number {n}": by for n in range(sources)},
        by_difference=longer_by_difference(chosen, rejected),
        lengths={"chosen": quantiles(chosen), "rejected": quantiles(rejected)},
        histogram=histogram(chosen, rejected),
        tendencies={"length in tokens": tendency(chosen - rejected)},
        repeats=Repeats(pairs, 7, pairs, 0, 0, 0, 1.0),
        shared=(Shared("train", "validation", 1, 1, 1, 1),),
        unread={"test": "folder x has no file test.jsonl " + "and more words " * 12},
        typical_reward_margin=1.0,
        rewards=rewards_of(margins, dict.fromkeys(rewards), 1.0),
        break_even=at,
        break_even_is_of_objective=True,
        weighed=points(margins, weights, 0.0, 1.0, sweep),
        sweep=sweep,
        command="summpo train -m w=0,0.1",
    )


CASES = [
    inspection(),
    inspection(pairs=1, sources=1, rewards=()),
    inspection(pairs=123456, sources=30, rewards=("length", "coverage", "a_margin_reward_with_a_very_long_name")),
    inspection(pairs=2000, sources=0, size=5000),
    inspection(pairs=5, size=2),  # every completion has one token
]
