"""What a data set of pairs will teach, in numbers: whose length was chosen, what repeats, what fits, what a w weighs.

Pure functions of rows, lengths and margins to records of plain numbers. Everything counts pairs as they are given;
pairs on one document are taken as independent, so intervals are a little too narrow where a document has many.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from summpo.prompts import Prompt
from summpo.rows import PairRow
from summpo.tokens import Limits, Tokenized, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_SOURCE = "(no source)"
UNLIMITED = Limits(max_length=2**31 - 1, too_long="drop", empty="drop", identical="drop")
"""Under which every row that can be used is a token row in its full length."""
BY_LENGTH = ("truncated_document", "dropped_too_long", "dropped_no_room_for_document")
"""What Tokenized.counts says of rows over max_length."""

SWEEP = (0.1, 1.0)
"""From where to where a sweep of w goes: the median pair's |w margin| in typical reward margins.

What beta * D comes to is not known before training, so that a typical reward margin is the user's to set.

At 0.1 the margin is a tenth of what training learns from the choice and moves little; at 1 it is as much. In the study
experiments/tldr_length_penalty.md the median was 12 tokens and the reward margin about 1 nat: summaries were a quarter
shorter at 0.3 (w = 0.025), half as long at 0.6 and two thirds shorter at 1.2.
"""
SWEEP_POINTS = 4
ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
"""The leading digits of a suggested weight."""


@dataclass(frozen=True)
class LongerChosen:
    """Of how many pairs the chosen completion is the longer, the shorter, or as long as the rejected."""

    pairs: int
    longer: int
    shorter: int
    same: int

    @property
    def share(self) -> float:
        """Of all pairs, ties among them, the part whose longer completion is the chosen one."""
        return self.longer / self.pairs

    def __add__(self, other: LongerChosen) -> LongerChosen:
        sums = [getattr(self, name) + getattr(other, name) for name in ("pairs", "longer", "shorter", "same")]
        return LongerChosen(*sums)


@dataclass(frozen=True)
class LongerBy:
    """The same pairs counted by tokens and by words."""

    tokens: LongerChosen
    words: LongerChosen

    def __add__(self, other: LongerBy) -> LongerBy:
        return LongerBy(self.tokens + other.tokens, self.words + other.words)


@dataclass(frozen=True)
class Lengths:
    """The lengths of a data set's completions; int64 [pair] each, no EOS."""

    chosen_tokens: np.ndarray
    rejected_tokens: np.ndarray
    chosen_words: np.ndarray
    rejected_words: np.ndarray


@dataclass(frozen=True)
class Histogram:
    """How many completions have how many tokens: bin i holds edges[i] <= length < edges[i + 1], the last all above."""

    edges: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class Bucket:
    """The pairs whose completions differ by low to high tokens; high is None for no limit."""

    low: int
    high: int | None
    longer: LongerChosen

    @property
    def span(self) -> str:
        """ "1-4", "80+"."""
        return f"{self.low}+" if self.high is None else f"{self.low}-{self.high}"


@dataclass(frozen=True)
class Tendency:
    """How a number that each completion has goes with being chosen. d = chosen minus rejected, one a pair."""

    prefers_chosen: float
    """Share of pairs with d > 0; those with d = 0 count half. 0.5 says nothing about the choice."""
    ties: float
    """Share of pairs with d = 0."""
    correlation: float | None
    """Pearson's, over all completions, between the number and being chosen (1 or 0), both centred by pair: between what
    can differ within a pair. It is mean(d) / root mean square(d), from -1 to 1; None where every d is 0."""
    mean_difference: float
    median_size: float
    """The median of |d|."""


@dataclass(frozen=True)
class Repeats:
    """What stands more than once. A distinct pair is a document with two summaries, whichever of them was chosen.

    Texts are the same where they are so after white space is collapsed.
    """

    rows: int
    documents: int
    distinct_pairs: int
    repeated_rows: int
    """Rows that say once more what a row before them says: document, chosen and rejected."""
    contradicted_pairs: int
    """Distinct pairs that are there both ways round."""
    contradicted_rows: int
    """Rows of these pairs."""
    best_accuracy: float
    """Share of the rows that agree with the majority on their distinct pair: no model can order more of them right."""


@dataclass(frozen=True)
class Shared:
    """What a split has of an earlier one's documents."""

    earlier: str
    later: str
    documents: int
    """Distinct documents that are in both."""
    of_documents: int
    """Distinct documents of the later one."""
    rows: int
    """Rows of the later one that are on a shared document."""
    of_rows: int


@dataclass(frozen=True)
class Fit:
    """What becomes of a split's rows under a limit on their length, by each rule for those over it."""

    rows: int
    max_length: int
    too_long: str
    """The rule that is set: drop, truncate_document or error."""
    unusable: dict[str, int]
    """Rows that no limit saves, by reason: an empty completion or prompt, two equal completions."""
    over: int
    """Usable rows of more than max_length tokens: prompt and longer completion, EOS counted."""
    cut: int
    """Of these, those that truncate_document would cut; it drops the others, whose completions leave no room."""
    total: dict[str, float]
    """Quantiles of the length of the usable rows: prompt and longer completion, in tokens, EOS counted."""

    @property
    def rules(self) -> dict[str, dict[str, int]]:
        """Rows kept, cut (among the kept) and dropped for their length by the rules that go on; `error` stops."""
        usable = self.rows - sum(self.unusable.values())
        no_room = self.over - self.cut
        return {
            "drop": {"kept": usable - self.over, "cut": 0, "dropped": self.over},
            "truncate_document": {"kept": usable - no_room, "cut": self.cut, "dropped": no_room},
        }


@dataclass(frozen=True)
class Weighed:
    """The weighed margins of all pairs, in nats, against what training makes of the choice."""

    w: float
    size: dict[str, float]
    """Quantiles of |w margin|."""
    signed: dict[str, float]
    """Quantiles of w margin; above 0 it speaks for the chosen completion, and the policy has more to learn."""
    beyond: float
    """Share of pairs whose |w margin| is more than the typical reward margin."""
    against: float
    """Share of pairs in which it speaks for the rejected completion by more than that."""


@dataclass(frozen=True)
class Reward:
    """A margin reward on the data, scaled and clipped as training sees it, not weighed."""

    weight: float | None
    """Nats a unit; None where it is w."""
    tendency: Tendency
    size: dict[str, float]
    """Quantiles of |margin|, in the reward's own unit."""
    suggested: tuple[float, ...]
    """Weights for it alone, 0 left out; none where it is the same for both completions of every pair."""


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
    """By where the document comes from, most pairs first."""
    by_difference: tuple[Bucket, ...]
    lengths: dict[str, dict[str, float]]
    """Quantiles of the completions' tokens, no EOS: chosen, rejected."""
    histogram: Histogram
    tendencies: dict[str, Tendency]
    """Of the length in tokens and in words."""
    repeats: Repeats
    shared: tuple[Shared, ...]
    unread: dict[str, str]
    """Splits that could not be read, and why."""
    typical_reward_margin: float
    rewards: dict[str, Reward]
    weighed: tuple[Weighed, ...]
    sweep: tuple[float, ...]
    """Values of w to try, 0 (no margin) first; empty where w weighs nothing."""
    command: str | None
    """The sweep as a command line."""


def longer_chosen(chosen: np.ndarray, rejected: np.ndarray) -> LongerChosen:
    """Counts whose completion is longer, from the lengths of each pair's two, [pair]."""
    longer, shorter = int((chosen > rejected).sum()), int((chosen < rejected).sum())
    return LongerChosen(len(chosen), longer, shorter, len(chosen) - longer - shorter)


def interval(part: int, whole: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson's), which stays within 0 and 1."""
    z = 1.96
    middle = (part + z**2 / 2) / (whole + z**2)
    half = z / (whole + z**2) * math.sqrt(part * (whole - part) / whole + z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def longer_by(lengths: Lengths) -> LongerBy:
    """Counts whose completion is longer, by tokens and by words."""
    return LongerBy(
        longer_chosen(lengths.chosen_tokens, lengths.rejected_tokens),
        longer_chosen(lengths.chosen_words, lengths.rejected_words),
    )


def longer_by_source(rows: Sequence[PairRow], lengths: Lengths) -> dict[str, LongerBy]:
    """The same for each source, that with most pairs first; rows that name none are one source."""
    names = np.array([row.source or NO_SOURCE for row in rows])
    counts = Counter(names.tolist())
    found = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        mine = names == name
        found[name] = longer_by(Lengths(**{side: values[mine] for side, values in vars(lengths).items()}))
    return found


def longer_by_difference(chosen: np.ndarray, rejected: np.ndarray) -> tuple[Bucket, ...]:
    """How often the longer was chosen where the lengths differ by 1-4, 5-9, 10-19, 20-39 tokens and so on, doubling.

    Pairs of equal length are in none; buckets without a pair are left out; the last has no upper limit. There are at
    most six: where differences of more than 160 tokens are common, the first goes further, to 9, 19, 39 ...
    """
    size = np.abs(chosen - rejected)
    first = 5
    while first * 32 <= np.percentile(size, 99):
        first *= 2
    lows = [1, *(first * 2**n for n in range(5) if first * 2**n <= size.max())]
    buckets = []
    for low, after in zip(lows, [*lows[1:], None], strict=True):
        mine = (size >= low) & (size < (math.inf if after is None else after))
        if mine.any():
            high = None if after is None else after - 1
            buckets.append(Bucket(low, high, longer_chosen(chosen[mine], rejected[mine])))
    return tuple(buckets)


def histogram(chosen: np.ndarray, rejected: np.ndarray) -> Histogram:
    """At most 40 bins of equal width from 0 to the 99th percentile of both; what is longer is in one bin above."""
    top = math.ceil(np.percentile(np.concatenate([chosen, rejected]), 99)) + 1
    width = math.ceil(top / 40)
    edges = np.arange(0, top + width, width)
    counts = [
        np.bincount(np.minimum(side // width, len(edges) - 1), minlength=len(edges)) for side in (chosen, rejected)
    ]
    return Histogram(tuple(edges.tolist()), tuple(counts[0].tolist()), tuple(counts[1].tolist()))


def tendency(differences: np.ndarray) -> Tendency:
    """How a number goes with being chosen, from its differences, chosen minus rejected, [pair].

    Centred by pair, the number is d/2 of a chosen completion and -d/2 of a rejected, being chosen 1/2 and -1/2; their
    correlation over all completions is sum(d) / sqrt(n sum(d^2)).
    """
    d = differences.astype(np.float64)
    ties = float((d == 0).mean())
    root_mean_square = math.sqrt(float((d**2).mean()))
    return Tendency(
        prefers_chosen=float((d > 0).mean()) + ties / 2,
        ties=ties,
        correlation=float(d.mean()) / root_mean_square if root_mean_square > 0 else None,
        mean_difference=float(d.mean()),
        median_size=float(np.median(np.abs(d))),
    )


def same_text(text: str) -> str:
    """The text by which two are compared: white space collapsed."""
    return " ".join(text.split())


def document_key(row: PairRow) -> str:
    """What a model is asked about in the row, as it is compared: the ready prompt, else the document."""
    return same_text(row.document if row.prompt is None else row.prompt)


def repeats(rows: Sequence[PairRow]) -> Repeats:
    """What stands more than once among the rows of a split."""
    verdicts = Counter((document_key(row), same_text(row.chosen), same_text(row.rejected)) for row in rows)
    ways: dict[tuple[str, frozenset[str]], list[int]] = {}
    for (document, chosen, rejected), count in verdicts.items():
        ways.setdefault((document, frozenset((chosen, rejected))), []).append(count)
    contradicted = [counts for counts in ways.values() if len(counts) == 2]
    return Repeats(
        rows=len(rows),
        documents=len({document for document, _ in ways}),
        distinct_pairs=len(ways),
        repeated_rows=len(rows) - len(verdicts),
        contradicted_pairs=len(contradicted),
        contradicted_rows=sum(map(sum, contradicted)),
        best_accuracy=sum(map(max, ways.values())) / len(rows),
    )


def shared_documents(rows_of: Mapping[str, Sequence[PairRow]]) -> tuple[Shared, ...]:
    """What each split shares with each earlier one, in the order in which the splits are given."""
    keys = {split: [document_key(row) for row in rows] for split, rows in rows_of.items()}
    found = []
    for position, later in enumerate(keys):
        for earlier in list(keys)[:position]:
            own, both = set(keys[later]), set(keys[earlier]) & set(keys[later])
            rows = sum(key in both for key in keys[later])
            found.append(Shared(earlier, later, len(both), len(own), rows, len(keys[later])))
    return tuple(found)


def fit(
    rows: Sequence[PairRow], full: Tokenized, limits: Limits, prompt: Prompt, tokenizer: PreTrainedTokenizerBase
) -> Fit:
    """What each rule makes of the rows at this max_length.

    Args:
        full: the rows' tokens under `UNLIMITED`.
    """
    longest = np.max([side.lengths for side in full.rows.completions], axis=0) if len(full.rows) else np.zeros(0, int)
    total = full.rows.prompts.lengths + longest
    over = [rows[index] for index in full.kept[total > limits.max_length]]
    lenient = replace(UNLIMITED, max_length=limits.max_length, too_long="truncate_document")
    return Fit(
        rows=len(rows),
        max_length=limits.max_length,
        too_long=limits.too_long,
        unusable={name.removeprefix("dropped_"): n for name, n in full.counts.items() if name != "kept"},
        over=len(over),
        cut=tokenize(over, tokenizer, prompt, lenient).counts.get("truncated_document", 0),
        total=quantiles(total),
    )


def quantiles(values: np.ndarray) -> dict[str, float]:
    """{"min": ..., "p5": ..., "max": ...}; empty where there is no value."""
    if not len(values):
        return {}
    asked = {"min": 0, **{f"p{n}": n for n in (5, 10, 25, 50, 75, 90, 95, 99)}, "max": 100}
    found = np.percentile(values.astype(np.float64), list(asked.values()))
    return dict(zip(asked, found.tolist(), strict=True))


def weighed(w: float, margins: np.ndarray, typical: float) -> Weighed:
    """Weighed margins, in nats, [pair], against a typical reward margin. `w` is what they were weighed with."""
    size = np.abs(margins)
    return Weighed(
        w=w,
        size=quantiles(size),
        signed=quantiles(margins),
        beyond=float((size > typical).mean()),
        against=float((margins < -typical).mean()),
    )


def suggested_weights(margins: np.ndarray, typical: float) -> tuple[float, ...]:
    """Weights for a sweep: the median |weight margin| goes from 0.1 to 1 typical reward margin (`SWEEP` says why).

    Log-spaced and rounded. Pairs whose margin is 0 do not count in the median, because no weight changes them.

    Args:
        margins: of each pair, unweighed.
        typical: a typical reward margin, in nats.

    Returns:
        Ascending; none where every margin is 0.
    """
    size = np.abs(margins[margins != 0])
    if not len(size):
        return ()
    unit = typical / float(np.median(size))
    return tuple(dict.fromkeys(rounded(share * unit) for share in np.geomspace(*SWEEP, SWEEP_POINTS)))


def rounded(value: float) -> float:
    """A positive number to the nearest 1, 1.5, 2, 3, 4, 5 or 7 times a power of ten, by ratio."""
    power = math.floor(math.log10(value))
    digits = value / 10**power
    nearest = min(ROUND, key=lambda candidate: abs(math.log(candidate / digits)))
    return float(f"{nearest * 10.0**power:.2g}")


def weighed_sum(margins: np.ndarray, weights: Sequence[float | None], w: float) -> np.ndarray:
    """Nats, float64 [pair]: the margins, [pair, reward], each times its weight, which is w where it is None."""
    return margins.astype(np.float64) @ np.array([w if weight is None else weight for weight in weights], np.float64)


def points(margins: np.ndarray, weights: Sequence[float | None], w: float, typical: float) -> tuple[Weighed, ...]:
    """The weighed sum of all margins at the w that is set and at those of the suggested sweep, by w.

    w = 0 is among them where a margin has a weight of its own, which it keeps there.
    """
    if not weights:
        return ()
    fixed = any(weight is not None for weight in weights)
    asked = {w} if w > 0 or fixed else set[float]()
    if any(weight is None for weight in weights):
        asked |= {point for point in sweep_of(margins, weights, typical) if point > 0 or fixed}
    return tuple(weighed(point, weighed_sum(margins, weights, point), typical) for point in sorted(asked))


def sweep_of(margins: np.ndarray, weights: Sequence[float | None], typical: float) -> tuple[float, ...]:
    """Values of w to try, 0 first, for the sum of the margins that w weighs; none where it weighs nothing."""
    swept = [1.0 if weight is None else 0.0 for weight in weights]
    suggested = suggested_weights(weighed_sum(margins, swept, 0.0), typical) if any(swept) else ()
    return (0.0, *suggested) if suggested else ()
