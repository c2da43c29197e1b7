"""What `summpo inspect` prints: the record of a data set of pairs as short aligned tables, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from summpo.inspection import Inspection
from summpo.inspection.lengths import LongerBy, LongerChosen
from summpo.inspection.statistics import Tendency, interval
from summpo.inspection.weights import Reward
from summpo.margin_rewards.break_even import BreakEven

WIDTH = 100
NAME_WIDTH = 18
SOURCES = 10
"""Sources that are named; the others are one line together."""
SHOWN = ("p5", "p25", "p50", "p75", "p90", "p99", "max")
UNBALANCED = 5.0
"""From how many times the smallest on, the largest of several margins under one w is said to drown it."""


def lines(inspection: Inspection) -> list[str]:
    """The whole text, line by line."""
    parts = [_head, _longer, _tendencies, _lengths, _fit, _repeats, _margins, _sweep]
    return [line for part in parts if (text := part(inspection)) for line in (*text, "")][:-1]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column set left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{'<' if n == 0 else '>'}{widths[n]}}" for n, cell in enumerate(row)).rstrip() for row in rows
    ]


def shown_sources(by_source: dict[str, LongerBy], most: int) -> dict[str, LongerBy]:
    """The sources with most pairs, and the sum of the others as one."""
    names = list(by_source)
    if len(names) <= most:
        return by_source
    first, *rest = (by_source[name] for name in names[most - 1 :])
    for other in rest:
        first = first + other
    return {name: by_source[name] for name in names[: most - 1]} | {f"{len(rest) + 1} others": first}


def _head(found: Inspection) -> list[str]:
    dropped = found.fit.rows - found.pairs
    text = f"{found.dataset}, {found.split}: {found.pairs:,} pairs of {plural(found.repeats.documents, 'document')}"
    text += f" ({dropped:,} of {found.fit.rows:,} rows are dropped)" if dropped else ""
    stops = f"Training with these settings stops: {found.stops}" if found.stops else ""
    return [*_wrapped(text), *_wrapped(stops)]


def _longer(found: Inspection) -> list[str]:
    named = {"all": found.longer} | (shown_sources(found.by_source, SOURCES) if len(found.by_source) > 1 else {})
    heading = ["chosen, by tokens", "pairs", "longer", "[95%]", "shorter", "same", "words: longer", "shorter", "same"]
    rows = [
        [_name(name), f"{by.tokens.pairs:,}", *_shares(by.tokens, with_interval=True), *_shares(by.words)]
        for name, by in named.items()
    ]
    differ = [["where they differ by", "pairs", "longer", "[95%]"]]
    for bucket in found.by_difference:
        differ.append(
            [f"{bucket.span} tokens", f"{bucket.longer.pairs:,}", *_shares(bucket.longer, with_interval=True)[:2]]
        )
    return [*aligned([heading, *rows]), *(["", *aligned(differ)] if found.by_difference else [])]


def _shares(counts: LongerChosen, with_interval: bool = False) -> list[str]:
    low, high = interval(counts.longer, counts.pairs)
    bounds = [f"[{low:.0%}, {high:.0%}]"] if with_interval else []
    shares = [f"{part / counts.pairs:.1%}" for part in (counts.longer, counts.shorter, counts.same)]
    return [shares[0], *bounds, *shares[1:]]


def _tendencies(found: Inspection) -> list[str]:
    numbers = found.tendencies | {f"margin {name}": reward.tendency for name, reward in found.rewards.items()}
    heading = ["chosen has the higher", "of pairs", "tied", "correlation", "mean difference", "median |difference|"]
    rows = [[_name(name), *_tendency(each)] for name, each in numbers.items()]
    note = "of pairs: ties half, 50% says nothing; correlation with being chosen, both centred by pair"
    return [*aligned([heading, *rows]), note]


def _tendency(each: Tendency) -> list[str]:
    return [
        f"{each.prefers_chosen:.1%}",
        f"{each.ties:.1%}",
        "-" if each.correlation is None else f"{each.correlation:+.3f}",
        f"{each.mean_difference:+.3g}",
        f"{each.median_size:.3g}",
    ]


def _lengths(found: Inspection) -> list[str]:
    named = found.lengths | {"prompt + longer + EOS": found.fit.total}
    rows = [[name, *(f"{values.get(q, 0):,.0f}" for q in SHOWN)] for name, values in named.items()]
    return aligned([["tokens", *SHOWN], *rows])


def _fit(found: Inspection) -> list[str]:
    fit = found.fit
    rows = [["too_long", "kept", "cut", "dropped"]]
    for rule, counts in fit.rules.items():
        rows.append([_rule(rule, fit.too_long), *(f"{counts[name]:,}" for name in ("kept", "cut", "dropped"))])
    text = aligned(rows)
    stops = f"stops at the first of {fit.over:,}" if fit.over else "stops nowhere"
    text.append(f"{_rule('error', fit.too_long):<{len('truncate_document *')}}  {stops}")
    head = f"rows over tokens.max_length={fit.max_length}: {fit.over:,} of {fit.rows:,} (* is what is set)"
    others = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in fit.unusable.items())
    return [head, *text, *([f"not to be used at any length: {others}"] if others else [])]


def _rule(rule: str, chosen: str) -> str:
    return f"{rule} *" if rule == chosen else rule


def _repeats(found: Inspection) -> list[str]:
    seen = found.repeats
    text = [
        f"distinct pairs: {seen.distinct_pairs:,} (a document with two summaries, either way round)",
        f"repeated rows: {_part(seen.repeated_rows, seen.rows)} say once more what a row before them says",
        f"contradictions: {_part(seen.contradicted_pairs, seen.distinct_pairs, 'distinct pair')} chosen both ways, "
        f"{seen.contradicted_rows:,} rows",
        f"no model can order more than {seen.best_accuracy:.1%} of the rows as they were chosen",
    ]
    for both in found.shared:
        what = (
            f"{_part(both.documents, both.of_documents, 'document')} of {both.later}, under {both.rows:,} of its rows"
            if both.documents
            else "none"
        )
        text.append(f"documents in {both.earlier} and {both.later}: {what}")
    for split, why in found.unread.items():
        text += _wrapped(f"documents of {split} not compared: {why}")
    return text


def _margins(found: Inspection) -> list[str]:
    if not found.rewards:
        return ["no margin reward: nothing is weighed (margin_reward=length chooses one)"]
    if not found.weighed:
        return []
    heading = ["|w margin| in nats", "p25", "p50", "p75", "p90", "max", "beyond typical", "against the choice"]
    rows = [
        [
            f"w = {at.w:g}",
            *(f"{at.size[q]:.3g}" for q in ("p25", "p50", "p75", "p90", "max")),
            f"{at.beyond:.1%}",
            f"{at.against:.1%}",
        ]
        for at in found.weighed
    ]
    typical = (
        f"typical: a reward margin of {_nats(found.typical_reward_margin)} after training, as typical_reward_margin "
        "sets it. 1 nat is a guess, for objectives whose reward is beta times a sum of log-ratios (dpo, modpo and the "
        "like); for another objective, beta or length of training set it to val/reward_margin of an earlier run. A "
        "pair whose margin is against its choice by more than that counts as learnt before training begins"
    )
    return [*aligned([heading, *rows]), *_wrapped(typical)]


def _sweep(found: Inspection) -> list[str]:
    if not found.rewards:
        return []
    heading = ["weight to try", "is now", "break-even", "+-", "median |margin|", "p90", "from", "to"]
    rows = [heading]
    for name, reward in found.rewards.items():
        weight = "w" if reward.weight is None else f"{reward.weight:g}"
        ends = [f"{reward.suggested[end]:g}" for end in (0, -1)] if reward.suggested else ["-", "-"]
        sizes = [f"{reward.size['p50']:.3g}", f"{reward.size['p90']:.3g}"]
        rows.append([_name(name), weight, *_break_even(reward.break_even), *sizes, *ends])
    text = [*aligned(rows), *_why(found), *_balance(found.rewards)]
    for name in [name for name, reward in found.rewards.items() if not reward.suggested]:
        text += _wrapped(f"{name} is the same for both completions of every pair: no weight of it teaches anything")
    if found.command is not None:
        text += ["", "next:", f"  {found.command}"]
    return text


def _break_even(found: BreakEven) -> list[str]:
    """The weight and its standard error, or why there is none."""
    if found.weight is None:
        return [{"raised": "every w raises", "lowered": "every w lowers"}.get(found.without or "", "-"), "-"]
    return [f"{found.weight:.2g}", "-" if found.standard_error is None else f"{found.standard_error:.1g}"]


def _why(found: Inspection) -> list[str]:
    """What the break-even weight is, and where the weights to try come from."""
    told = [reward for reward in found.rewards.values() if reward.suggested]
    text = (
        "break-even: the weight below which training lowers a margin reward and above which it raises it (for length: "
        "lengthens, shortens), each alone, with its standard error"
    )
    if not found.break_even_is_of_objective:
        text += "; it is that of dpo and modpo, and no more than a guide for this objective"
    text += ". " if told else ""
    if any(reward.break_even.sweep for reward in told):
        text += "Weights to try go from half of it to four times it. "
    by_size = [
        _name(name) for name, reward in found.rewards.items() if reward.suggested and not reward.break_even.sweep
    ]
    if by_size:
        text += (
            f"{' and '.join(by_size)}: no break-even weight above 0; weights go from where the median pair's margin is "
            "worth a tenth of a typical reward margin to where it is worth as much"
        )
    of_w = found.break_even
    together = [name for name, reward in found.rewards.items() if reward.weight is None]
    if of_w is not None and of_w.weight is not None and len(found.rewards) > 1:
        text += f". Of w, which weighs {' + '.join(map(_name, together))} together: {of_w.estimate}"
    return _wrapped(text)


def _balance(rewards: dict[str, Reward]) -> list[str]:
    """Says where one margin drowns another under the same w."""
    sizes = {n: r.tendency.median_size for n, r in rewards.items() if r.weight is None and r.tendency.median_size > 0}
    if len(sizes) < 2:
        return []
    small, large = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    times = sizes[large] / sizes[small]
    if times < UNBALANCED:
        return []
    return _wrapped(
        f"under one w, {large} weighs {times:.0f} times what {small} does: give {small} a weight of its own "
        f"(margin_reward.{small}.weight) or set normalize=z_score on both"
    )


def _part(part: int, whole: int, what: str = "row") -> str:
    """ "3 of 4 rows (75.0%)"."""
    share = f" ({part / whole:.1%})" if whole else ""
    return f"{part:,} of {plural(whole, what)}{share}"


def _nats(number: float) -> str:
    return f"{number:g} nat" + "s" * (number != 1)


def plural(number: int, what: str) -> str:
    """ "1 pair", "2,880 pairs"."""
    return f"{number:,} {what}" + "s" * (number != 1)


def _name(name: str) -> str:
    """A name that fits its column, on one line."""
    flat = " ".join(name.split())
    return flat if len(flat) <= NAME_WIDTH else flat[: NAME_WIDTH - 1] + "…"


def _wrapped(text: str) -> list[str]:
    return wrap(" ".join(text.split()), WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
