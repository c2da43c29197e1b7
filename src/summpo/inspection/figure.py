"""What a data set of pairs will teach, as one picture of four panels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from summpo.files.pictures import BEATEN, FAINT, FRONT, INK, QUIET, any_letters
from summpo.inspection import Inspection
from summpo.inspection.lengths import Bucket, LongerChosen
from summpo.inspection.statistics import interval
from summpo.inspection.table import plural, shown_sources

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHOSEN, REJECTED, SHORTER, BAND, WARN = FRONT, "#d9822b", "#f4cf9f", "#85b5e5", "#c23030"
SOURCES = 7
NAME = 18


@any_letters()
def draw(found: Inspection) -> bytes:
    """The picture as PNG bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), dpi=140, facecolor="white")
    FigureCanvasAgg(figure)
    title = f"{found.dataset}, {found.split}: what {plural(found.pairs, 'pair')} will teach"
    figure.text(0.025, 0.955, title, fontsize=14, weight="bold", color=INK, parse_math=False)
    _lengths(_panel(figure, (0.075, 0.575, 0.4, 0.3), "Length of a completion"), found)
    _by_source(_panel(figure, (0.615, 0.575, 0.31, 0.3), "Which of the two was chosen, by tokens"), found)
    _margins(_panel(figure, (0.075, 0.095, 0.4, 0.3), _margin_title(found)), found)
    _by_difference(_panel(figure, (0.615, 0.095, 0.36, 0.3), "The more they differ in length"), found.by_difference)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _panel(figure: Figure, place: tuple[float, float, float, float], title: str) -> Axes:
    axes = figure.add_axes(place)
    axes.set_title(title, loc="left", fontsize=11, weight="bold", color=INK, pad=22, parse_math=False)
    axes.tick_params(length=0, labelcolor=QUIET, labelsize=9)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color(FAINT)
    return axes


def _key(axes: Axes, words: Sequence[tuple[str, str]]) -> None:
    """Words in their colours, above the panel, instead of a legend in the way of the data."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

    texts: list[Artist] = [TextArea(text, textprops={"color": colour, "fontsize": 9}) for text, colour in words]
    box = HPacker(children=texts, pad=0, sep=12)
    axes.add_artist(
        AnchoredOffsetbox("lower left", child=box, pad=0, frameon=False, bbox_to_anchor=(0, 1.03),
                          bbox_transform=axes.transAxes, borderpad=0)
    )  # fmt: skip


def _lengths(axes: Axes, found: Inspection) -> None:
    bins = found.histogram
    width = bins.edges[1] - bins.edges[0]
    edges = [*bins.edges, bins.edges[-1] + width]
    for counts, colour in ((bins.chosen, CHOSEN), (bins.rejected, REJECTED)):
        axes.stairs(counts, edges, color=colour, linewidth=1.6)
        axes.stairs(counts, edges, color=colour, alpha=0.13, fill=True)
    for side, colour in (("chosen", CHOSEN), ("rejected", REJECTED)):
        axes.axvline(found.lengths[side]["p50"], color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
    medians = {side: values["p50"] for side, values in found.lengths.items()}
    _key(axes, [(f"chosen (median {medians['chosen']:.0f})", CHOSEN),
                (f"rejected (median {medians['rejected']:.0f})", REJECTED)])  # fmt: skip
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_xlabel(f"tokens, no EOS; the last bin holds all from {bins.edges[-1]}", color=INK, fontsize=9)
    axes.set_ylabel("completions", color=INK, fontsize=9)


def _by_source(axes: Axes, found: Inspection) -> None:
    from matplotlib.patheffects import withStroke

    named = {"all": found.longer} | (shown_sources(found.by_source, SOURCES) if len(found.by_source) > 1 else {})
    for row, by in enumerate(named.values()):
        of = by.tokens
        left = 0.0
        for part, colour in ((of.longer, CHOSEN), (of.same, FAINT), (of.shorter, SHORTER)):
            axes.barh(row, part / of.pairs, left=left, height=0.62, color=colour)
            left += part / of.pairs
        axes.plot(interval(of.longer, of.pairs), (row, row), color=INK, linewidth=1.6)
        label = axes.text(0.015, row, f"{of.share:.0%}", color="white", fontsize=9, weight="bold", va="center")
        label.set_path_effects([withStroke(linewidth=2.5, foreground=CHOSEN)])
        axes.text(1.02, row, f"{of.pairs:,}", color=QUIET, fontsize=9, va="center")
    axes.set_yticks(range(len(named)), [_short(name) for name in named], parse_math=False)
    axes.set_ylim(max(len(named), 3) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.axvline(0.5, color=WARN, linewidth=1.2)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share of pairs (their number at the right); black: 95% interval", color=INK, fontsize=9)
    _key(axes, [("the longer", CHOSEN), ("as long", BEATEN), ("the shorter", REJECTED), ("half", WARN)])


def _margin_title(found: Inspection) -> str:
    names = " + ".join(
        name if reward.weight is None else f"{reward.weight:g} {name}" for name, reward in found.rewards.items()
    )
    return "What the margin weighs" + (f": {names}" if len(names) in range(1, 30) else "")


def _margins(axes: Axes, found: Inspection) -> None:
    typical = found.typical_reward_margin
    if not found.weighed:
        axes.text(0.5, 0.5, "no margin to weigh", color=QUIET, ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    for row, at in enumerate(found.weighed):
        q = at.signed
        axes.plot((q["p5"], q["p95"]), (row, row), color=BAND, linewidth=4, solid_capstyle="butt")
        axes.plot((q["p25"], q["p75"]), (row, row), color=FRONT, linewidth=9, solid_capstyle="butt")
        axes.plot(q["p50"], row, marker="o", markersize=5, color="white", markeredgecolor=INK, zorder=4)
    furthest = max(max(abs(at.signed["p5"]), abs(at.signed["p95"])) for at in found.weighed)
    axes.set_xlim(-max(1.15 * furthest, 1.4 * typical), max(1.15 * furthest, 1.4 * typical))
    axes.axvline(0, color=QUIET, linewidth=0.9)
    for edge in (-typical, typical):
        axes.axvline(edge, color=WARN, linewidth=1.2)
    axes.set_yticks(range(len(found.weighed)), [f"{at.w:g}" for at in found.weighed])
    axes.set_ylabel("w", color=INK, fontsize=9)
    axes.set_ylim(max(len(found.weighed), 3) - 0.4, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    axes.set_xlabel("w margin in nats: against the choice to the left, for it to the right", color=INK, fontsize=9)
    _key(
        axes,
        [
            ("half of the pairs", FRONT),
            ("90%", BAND),
            ("dot: the median", INK),
            (f"typical reward margin, {typical:g}", WARN),
        ],
    )


def _by_difference(axes: Axes, buckets: Sequence[Bucket]) -> None:
    for place, bucket in enumerate(buckets):
        low, high = interval(bucket.longer.longer, bucket.longer.pairs)
        axes.plot((place, place), (low, high), color=BAND, linewidth=4, solid_capstyle="butt")
        axes.plot(place, bucket.longer.share, marker="o", markersize=7, color=FRONT)
        axes.annotate(f"{bucket.longer.share:.0%}", (place, high), (0, 4), textcoords="offset points", ha="center",
                      va="bottom", fontsize=9, color=INK)  # fmt: skip
    axes.axhline(0.5, color=WARN, linewidth=1.2)
    axes.set_xticks(
        range(len(buckets)), [f"{bucket.span}\n({bucket.longer.pairs:,})" for bucket in buckets], fontsize=8
    )
    axes.set_xlim(-0.5, max(len(buckets), 1) - 0.2)
    axes.set_ylim(*_around_half([bucket.longer for bucket in buckets]))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_xlabel("difference in tokens (pairs); light bar: 95% interval", color=INK, fontsize=9)
    _key(axes, [("how often the longer was chosen", FRONT), ("half of the time", WARN)])


def _around_half(counts: Sequence[LongerChosen]) -> tuple[float, float]:
    """Limits as far below one half as above it, around every interval."""
    furthest = max((abs(end - 0.5) for c in counts for end in interval(c.longer, c.pairs)), default=0.0)
    reach = min(0.62, max(0.2, furthest + 0.12))
    return 0.5 - reach, 0.5 + reach


def _short(name: str) -> str:
    flat = " ".join(name.split())
    return flat if len(flat) <= NAME else flat[: NAME - 1] + "…"
