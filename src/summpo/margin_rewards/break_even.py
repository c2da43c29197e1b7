"""The break-even weight w*: below it training lowers a margin reward on average, above it raises it.

With the margin reward `length` (minus the length): below w* summaries grow longer than the reference's, above it they
grow shorter. It is known from the pairs alone, before any model is loaded.

The loss of a pair is -log sigmoid((beta D - w m) / w0), where m is what the margin reward gives the chosen summary less
what it gives the rejected, and D is how far the policy has moved towards the chosen. Move the policy along the margin
reward and nothing else, pi_t ~ ref exp(t r): then D = t m in every pair, and the loss falls with t from t = 0 on where

    S(w) = sum sigma(w m / w0) m > 0.

S rises with w, so it has one root, w*. Read as statistics, -w* / w0 is the coefficient of a logistic regression of the
choice on m without an intercept; for `length`, w* / w0 is that of the choice on chosen length less rejected. Its
standard error is one over the root of the information, sum sigma (1 - sigma) m^2. Along this line the loss is least at
t = (w - w*) / beta, so the sign is that of the whole run and not of its first step alone; beta has no part in w*.

Labels of single summaries, BCO: the loss is -log sigmoid(s (beta log(pi / ref) - w m) / w0), s = 1 where the summary is
good and -1 where it is bad, m less its mean over the rows. Along the same line log(pi / ref) = t m to first order, so
that all of this holds of s m in the place of m, each row counted by what its label weighs. KTO and APO-zero bend the
same logit by a sigmoid, which has the same slope at w = 0 and no such root: a guide.

Where it fails is told in docs/break_even.md. Pure functions of margins; pairs are taken to be independent.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from summpo.margin_rewards.margins import WeightedMargin
from summpo.objectives import LabelledObjective

MULTIPLES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""The points of a sweep around w*, in multiples of it."""


@dataclass(frozen=True)
class BreakEven:
    """The break-even weight of a margin reward on a data set."""

    weight: float | None
    """Nats a unit; below 0 where the choices speak for the reward; None where none is finite."""
    standard_error: float | None
    without: Literal["raised", "lowered", "never told"] | None = None
    """Why none is finite: at every weight training raises the reward, for no chosen summary has less of it; or lowers
    it, for none has more; or the reward is the same for both summaries of every pair."""

    @property
    def estimate(self) -> str:
        """The weight with its standard error: "0.022 +- 0.007"."""
        assert self.weight is not None
        return f"{self.weight:.2g}" + (f" +- {self.standard_error:.1g}" if self.standard_error is not None else "")

    @property
    def sweep(self) -> tuple[float, ...]:
        """0, w*/2, w*, 2 w* and 4 w*; none where w* is not a number above 0."""
        if self.weight is None or self.weight <= 0:
            return ()
        return tuple(float(f"{times * self.weight:.2g}") for times in MULTIPLES)


def break_even(
    margins: np.ndarray, others: np.ndarray | None = None, w0: float = 1.0, counts: np.ndarray | None = None
) -> BreakEven:
    """The root of S, by Newton's steps between bounds.

    Args:
        margins: [pair], chosen minus rejected, scaled and clipped as training sees them, not weighed.
        others: [pair], nats that margin rewards of fixed weights add to w m.
        w0: the weight of the human preference, by which the logit is divided.
        counts: [pair], what each pair counts; None for 1.
    """
    margins = np.asarray(margins, np.float64)
    if not (margins > 0).any() or not (margins < 0).any():
        signs = "raised" if (margins > 0).any() else "lowered" if (margins < 0).any() else "never told"
        return BreakEven(None, None, signs)
    unit = float(np.abs(margins).max())
    weights = np.ones_like(margins) if counts is None else np.asarray(counts, np.float64)
    m, shift = margins / unit, np.zeros_like(margins) if others is None else np.asarray(others, np.float64) / w0

    def slope(at: float) -> tuple[float, float]:
        """S, and its own slope: the information."""
        share = sigmoid(at * m + shift)
        return float((weights * share) @ m), float((weights * share * (1 - share)) @ m**2)

    low, high, at = -1.0, 1.0, 0.0
    while slope(low)[0] > 0:
        low *= 2
    while slope(high)[0] < 0:
        high *= 2
    for _ in range(200):
        value, information = slope(at)
        if value == 0:
            break
        low, high = (low, at) if value > 0 else (at, high)
        after = at - value / information if information > 0 else low
        after = after if low < after < high else (low + high) / 2
        at, step = after, after - at
        if abs(step) <= 1e-13 * abs(at):
            break
    at = at if abs(at) > 1e-12 else 0.0  # of choices that balance, not a number above 0
    information = slope(at)[1]
    error = float(w0 / (unit * np.sqrt(information))) if information > 0 else None
    return BreakEven(at * w0 / unit, error)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), also for large |x|."""
    return np.exp(-np.logaddexp(0.0, -x))


def where_it_lies(name: str, weight: float, found: BreakEven, meanings: tuple[str, str]) -> str:
    """A sentence on a weight: "w=0.1 is 4.5 times the break-even weight 0.022 +- 0.007: expect shorter summaries".

    Args:
        name: its config key.
        meanings: what less and more of the margin reward comes to.
    """
    less, more = meanings
    if found.weight is None:
        return {
            "never told": f"{name}={weight:g} weighs nothing: the margin is 0 in every pair",
            "raised": f"{name}={weight:g}: expect {more} at any weight, for the choice speaks against it in no pair",
            "lowered": f"{name}={weight:g}: expect {less} at any weight, for the choice speaks for it in no pair",
        }[found.without or "never told"]
    if found.weight > 0 and weight != 0:
        place = f"{weight / found.weight:.2g} times"
    else:
        place = "above" if weight > found.weight else "below"
    near = found.standard_error is None or abs(weight - found.weight) < 2 * found.standard_error
    expect = "too near to tell which way it goes" if near else f"expect {more if weight > found.weight else less}"
    return f"{name}={weight:g} is {place} the break-even weight {found.estimate}: {expect}"


def where_they_lie(
    margins: Mapping[str, WeightedMargin],
    table: np.ndarray,
    follow_w: Set[str],
    w: float,
    objective: Any,
    counts: np.ndarray | None = None,
) -> list[str]:
    """`where_it_lies` of w; where nothing follows w, of each margin reward that has a weight of its own.

    Args:
        table: [pair, reward], the scaled margins of the training pairs, or of labelled rows with their signs.
        counts: [pair], what each counts; None for 1.
        follow_w: names of the rewards whose weight is w.
    """
    own_w0 = w0_of(objective)
    w0 = 1.0 if own_w0 is None else own_w0
    names, columns = list(margins), np.asarray(table, np.float64)
    weights = {name: margin.weight_at(w) for name, margin in margins.items()}
    weighed = columns * list(weights.values())
    following = [name in follow_w for name in names]
    asked = {"w": (w, following)} if any(following) else {}
    if not asked:
        own = [name for name in names if weights[name] != 0]
        asked = {f"margin_reward.{n}.weight": (weights[n], [m == n for m in names]) for n in own}
    sentences = []
    for key, (weight, moves) in asked.items():
        others = weighed[:, [not one for one in moves]].sum(axis=1)
        found = break_even(columns[:, moves].sum(axis=1), others, w0, counts)
        moved = {name: margins[name] for name, one in zip(names, moves, strict=True) if one}
        sentences.append(where_it_lies(key, weight, found, meanings_of(moved)))
    whose = "bco" if isinstance(objective, LabelledObjective) else "dpo and modpo"
    guide = "" if own_w0 is not None else f" (of {whose}: no more than a guide for this objective)"
    return [sentence + guide for sentence in sentences]


def meanings_of(margins: Mapping[str, WeightedMargin]) -> tuple[str, str]:
    """What less and more of these margin rewards together comes to."""
    spoken = {name: getattr(margin.reward, "less_and_more", None) for name, margin in margins.items()}
    if len(set(spoken.values())) == 1 and (words := next(iter(spoken.values()))) is not None:
        if all(margin.scale > 0 for margin in margins.values()):
            return words
        if all(margin.scale < 0 for margin in margins.values()):
            return words[1], words[0]
    names = " + ".join(margins)
    return f"less {names}", f"more {names}"


def w0_of(objective: Any) -> float | None:
    """The w0 of an objective, asked of its own arithmetic; None where what is derived here is not its own.

    It is its own where the loss is -log sigmoid((beta D - w m) / w0), D of log-ratios summed over tokens.
    """
    import torch
    from torch.nn.functional import softplus

    from summpo.objectives import ScoreObjective
    from summpo.records import LogProbs, PairLogProbs

    objective = copy.deepcopy(objective)  # whatever it may remember
    if isinstance(objective, LabelledObjective):
        rewards, labels = torch.linspace(-2, 2, 8), torch.arange(8) % 3 == 0
        losses = objective.link(rewards, torch.zeros(()), labels)
        is_log_sigmoid = torch.allclose(losses, softplus(torch.where(labels, -rewards, rewards)), atol=1e-5)
        return float(-1 / objective.rewards(torch.zeros(1), torch.ones(1))) if is_log_sigmoid else None
    lengths, margin = torch.tensor([1, 3, 2, 2]), torch.tensor([0.5, -1.0])
    rest = torch.full((8,), -2.0)
    moves = [torch.zeros(8), *(sign * torch.linspace(0.1, 0.9, 8) ** 2 for sign in (1, -1))]
    made, moved = [], []
    for move in moves:
        sums = LogProbs(move, lengths).sums()
        if isinstance(objective, ScoreObjective):
            losses = objective.score_losses(sums, margin)
        else:
            pairs = PairLogProbs(LogProbs(rest + move, lengths), LogProbs(rest, lengths), np.zeros(2, np.int64))
            losses = objective.losses(pairs, margin)
        made.append(losses)
        moved.append(sums[:2] - sums[2:])
    if any(not torch.allclose(one.loss, softplus(-one.logit), atol=1e-5) for one in made):
        return None
    w0 = -margin / made[0].logit
    beta = [((one.logit - made[0].logit) * w0 / d) for one, d in zip(made[1:], moved[1:], strict=True)]
    is_one = torch.allclose(w0, w0[:1].expand(2), rtol=1e-4)
    is_straight = torch.allclose(torch.cat(beta), beta[0][:1].expand(4), rtol=1e-3)
    return float(w0[0]) if is_one and is_straight and w0[0] > 0 and beta[0][0] > 0 else None
