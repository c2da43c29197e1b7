"""The front as a picture: quality against length, every run a labelled point with its interval bars."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from summpo.evaluation.results import LENGTH, baselines
from summpo.evaluation.tradeoffs import Choice, Comparison
from summpo.files.pictures import BEATEN, FAINT, FRONT, INK, QUIET, any_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase


@any_letters()
def draw(comparison: Comparison) -> bytes:
    """The picture as PNG bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.6), dpi=160, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.095, 0.205, 0.875, 0.665))
    is_baseline = baselines([choice.result for choice in comparison.choices])
    for choice, is_square in zip(comparison.choices, is_baseline, strict=True):
        _draw_point(axes, comparison.quality, choice, is_square)
    _join_front(axes, comparison)
    _dress(figure, axes, comparison)
    _label_points(axes, comparison)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _draw_point(axes: Axes, quality: str, choice: Choice, is_square: bool) -> None:
    run, colour = choice.result, FRONT if choice.on_front else BEATEN
    x, y = run.length, run.metrics[quality]
    for metric, bar in ((LENGTH, "x"), (quality, "y")):
        if metric in run.intervals:
            low, high = run.intervals[metric]
            across = ((low, high), (y, y)) if bar == "x" else ((x, x), (low, high))
            axes.plot(*across, color=colour, alpha=0.28, linewidth=3, solid_capstyle="butt", zorder=2)
    axes.plot(
        x,
        y,
        marker="s" if is_square else "o",
        markersize=9,
        color=colour,
        markerfacecolor=colour if choice.on_front else "white",
        markeredgewidth=1.8,
        zorder=4,
    )


def _join_front(axes: Axes, comparison: Comparison) -> None:
    front = sorted(
        (choice.result.length, choice.result.metrics[comparison.quality])
        for choice in comparison.choices
        if choice.on_front
    )
    # A staircase and no slope: no run stands between two points, the shorter one is what a limit in between gets.
    axes.step(*zip(*front, strict=True), where="post", color=FRONT, linewidth=1.2, zorder=3)


def _dress(figure: Figure, axes: Axes, comparison: Comparison) -> None:
    from matplotlib.lines import Line2D

    first = comparison.choices[0].result
    figure.text(0.025, 0.945, f"{comparison.quality_name} against length", fontsize=14, weight="bold", color=INK)
    documents = f"{first.documents} held-out documents of {first.dataset}/{first.split}"
    figure.text(0.025, 0.9, documents, fontsize=9.5, color=QUIET, parse_math=False)
    axes.set_xlabel("mean length of a generated summary (tokens)  ·  shorter is to the left", color=INK)
    axes.set_ylabel(f"mean {comparison.quality_name} (F-measure, 0 to 1)", color=INK)
    axes.margins(0.09, 0.12)
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=QUIET, labelsize=9)
    for side in axes.spines.values():
        side.set_color(FAINT)
    keys = {"on the front: no run is shorter and as good": ("o", FRONT, FRONT), "beaten": ("o", BEATEN, "white")}
    if any(baselines([choice.result for choice in comparison.choices])):
        keys["baseline without w"] = ("s", BEATEN, "white")
    handles = [
        Line2D([], [], linewidth=0, marker=marker, color=edge, markerfacecolor=inside, markersize=8, label=meaning)
        for meaning, (marker, edge, inside) in keys.items()
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.018, 0.045), ncols=3, frameon=False, fontsize=8.5
    )
    caption = f"Bars: 95% bootstrap intervals over documents.  {comparison.hypervolume_text}."
    figure.text(0.025, 0.025, caption, fontsize=8.5, color=QUIET)


def _label_points(axes: Axes, comparison: Comparison) -> None:
    """Writes each label at the first of eight places around its point that covers no point and no other label.

    A place that is nearer to another point than to its own is not taken: a label must not seem to name a neighbour.
    """
    from matplotlib.transforms import Bbox

    at = [(choice.result.length, choice.result.metrics[comparison.quality]) for choice in comparison.choices]
    axes.autoscale_view()  # matplotlib would settle the limits later, when it draws
    spots = [(float(x), float(y)) for x, y in axes.transData.transform(at)]
    taken: list[BboxBase] = [Bbox.from_bounds(x - 14, y - 14, 28, 28) for x, y in spots]
    near = [(9, 7), (-9, 7), (9, -7), (-9, -7)]
    places = near + [(2 * dx, 3 * dy) for dx, dy in near]
    for choice, point, spot in zip(comparison.choices, at, spots, strict=True):
        texts = [_label(axes, choice, point, place) for place in places]
        boxes = [text.get_window_extent() for text in texts]
        free = [
            n
            for n, box in enumerate(boxes)
            if _inside(box, axes.bbox)
            and not box.count_overlaps(taken)
            and all(_distance(box, spot) <= _distance(box, other) for other in spots)
        ]
        kept = free[0] if free else 0
        taken.append(boxes[kept])
        for text in texts[:kept] + texts[kept + 1 :]:
            text.remove()


def _label(axes: Axes, choice: Choice, point: tuple[float, float], place: tuple[float, float]) -> Annotation:
    dx, dy = place
    return axes.annotate(
        choice.label,
        point,
        place,
        textcoords="offset points",
        ha="left" if dx > 0 else "right",
        va="bottom" if dy > 0 else "top",
        color=INK if choice.on_front else QUIET,
        weight="bold" if choice.on_front else "normal",
        fontsize=10,
        zorder=5,
        parse_math=False,
    )


def _inside(box: BboxBase, frame: BboxBase) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def _distance(box: BboxBase, spot: tuple[float, float]) -> float:
    """From a spot to the nearest edge of a box, pixels."""
    x, y = spot
    return math.hypot(max(box.x0 - x, x - box.x1, 0), max(box.y0 - y, y - box.y1, 0))
