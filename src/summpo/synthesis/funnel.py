"""What became of the documents, stage by stage, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from summpo.files.pictures import BEATEN, FAINT, FRONT, INK, QUIET, any_letters
from summpo.synthesis.stages import FunnelStage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOST, WHY = "#f4cf9f", "#b9770e"
REASONS = 6
"""Reasons of a stage that are named; the others are one number."""
LINE = 96
"""Characters of a line of reasons."""


@any_letters()
def draw(stages: Sequence[FunnelStage], title: str, came: str = "documents") -> bytes:
    """The funnel as PNG bytes: a bar a stage, what it let pass in blue and what it rejected in yellow.

    Args:
        came: what the first bar counts.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = 1.2 + 0.74 * (len(stages) + 1)
    figure = Figure(figsize=(9, height), dpi=140, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.025, 1 - 0.38 / height, title, fontsize=14, weight="bold", color=INK, parse_math=False)
    axes = figure.add_axes((0.14, 0.1 / height, 0.715, 1 - 1.0 / height))
    total = max(1, stages[0].came if stages else 0)
    _bar(axes, 0, came, total, total, 0)
    for row, stage in enumerate(stages, start=1):
        _bar(axes, row, stage.name, stage.passed, total, stage.came - stage.passed)
        axes.text(0, row + 0.29, reasons_of(stage), color=QUIET, fontsize=8, va="top", parse_math=False)
    _dress(axes, len(stages))
    _key(axes)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def reasons_of(stage: FunnelStage) -> str:
    """The commonest reasons of a stage, the commonest first, in at most two lines."""
    ranked = sorted(stage.rejected, key=lambda each: -each[1])
    named = [f"{reason.replace('_', ' ')} {count:,}" for reason, count in ranked[:REASONS]]
    others = sum(count for _, count in ranked[REASONS:])
    whole = [*named, *([f"others {others:,}"] if others else [])]
    unbroken = " · ".join(each.replace(" ", "\u00a0") for each in whole) or "none rejected"
    return "\n".join(wrap(unbroken, LINE)[:2])


def _bar(axes: Axes, row: int, name: str, passed: int, total: int, lost: int) -> None:
    """One bar, its name at the left, what passed and its share of all at the right."""
    axes.barh(row, passed / total, height=0.42, color=FRONT)
    axes.barh(row, lost / total, left=passed / total, height=0.42, color=LOST)
    axes.text(-0.015, row, name.replace("_", " "), color=INK, fontsize=10, ha="right", va="center", parse_math=False)
    axes.text(1.015, row, f"{passed:,}", color=INK, fontsize=10, weight="bold", va="center")
    if row:
        axes.text(1.015, row + 0.29, _share(passed / total), color=QUIET, fontsize=8, va="top")


def _share(part: float) -> str:
    """ "40.0%", "0.02%"."""
    return f"{part:.1%}" if part >= 0.01 or part == 0 else f"{part * 100:.1g}%"


def _dress(axes: Axes, rows: int) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(rows + 0.66, -0.33)
    axes.set_xticks([])
    axes.set_yticks([])
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(FAINT)


def _key(axes: Axes) -> None:
    """Words in their colours, above the bars."""
    for text, colour, left, side in (
        ("passed", FRONT, 0.0, "left"),
        ("rejected there, and why", WHY, 0.085, "left"),
        ("passed, of all that came", BEATEN, 1.15, "right"),
    ):
        axes.annotate(text, (left, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", ha=side,
                      color=colour, fontsize=9)  # fmt: skip
