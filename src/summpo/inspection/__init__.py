"""Inspection: what a data set of pairs will teach, in numbers, before a training run.

    lengths     how long the completions are, and how often the longer of two was chosen
    repeats     what stands more than once, in a split and in two
    fit         what becomes of the rows over a limit on their length
    weights     what a w weighs, and which are worth trying
    statistics  what may be said of any column of numbers
    table       the record as text
    figure      the record as a picture

Pure functions of rows, lengths and margins to records of plain numbers; this file holds the record of them all.
Everything counts pairs as they are given; pairs on one document are taken as independent, so intervals are a little too
narrow where a document has many.
"""

from __future__ import annotations

from dataclasses import dataclass

from summpo.inspection.fit import Fit
from summpo.inspection.lengths import Bucket, Histogram, LongerBy
from summpo.inspection.repeats import Repeats, SharedDocuments
from summpo.inspection.statistics import Tendency
from summpo.inspection.weights import Reward, Weighed
from summpo.margin_rewards.break_even import BreakEven


@dataclass(frozen=True)
class Inspection:
    """Everything that `summpo inspect` says of a split. Of `pairs`, where it does not name rows."""

    dataset: str
    split: str
    pairs: int
    """The pairs that training would see: rows less those that the limits drop."""
    stops: str | None
    """Why training with these settings would stop at a row; None where it would not."""
    fit: Fit
    longer: LongerBy
    by_source: dict[str, LongerBy]
    """Which completion is the longer, by where the document comes from, most pairs first."""
    by_difference: tuple[Bucket, ...]
    lengths: dict[str, dict[str, float]]
    """Quantiles of the completions' tokens, no EOS: chosen, rejected."""
    histogram: Histogram
    tendencies: dict[str, Tendency]
    """How chosen and rejected differ in length, in tokens and in words."""
    repeats: Repeats
    shared: tuple[SharedDocuments, ...]
    unread: dict[str, str]
    """Splits that could not be read, and why."""
    typical_reward_margin: float
    rewards: dict[str, Reward]
    break_even: BreakEven | None
    """The break-even w: below it training lowers what w weighs, above it raises it; None where w weighs nothing."""
    break_even_is_of_objective: bool
    """Whether the break-even weights are this objective's own; else they are those of dpo and modpo, a guide."""
    weighed: tuple[Weighed, ...]
    sweep: tuple[float, ...]
    """Values of w to try, 0 (no margin) first; empty where w weighs nothing."""
    command: str | None
    """The sweep as a command line."""
