"""A dot and its interval for each of many things, one below the other: what a ranking or a comparison looks like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from lge_sweep.report import style

_MOST = 60
"""Letters of a name."""
_NARROW = 0.1
"""The least that is shown of an axis."""


@dataclass(frozen=True)
class Spot:
    """A number with its interval.

    Attributes:
        name: of what it is.
        value: the number; None or NaN: there is none.
        low: the lower end of its interval; None or NaN: there is none.
        high: the upper end.
        strong: whether it stands out.
        faint: whether it is of something that does not count.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    strong: bool = False
    faint: bool = False


def figure_spots(axis: str, spots: Sequence[Spot]) -> Figure:
    """Draw a dot and a whisker for each number, the first at the top.

    Args:
        axis: what the numbers are, with unit and range.
        spots: the numbers.
    """
    figure = Figure(figsize=(style.WIDTH, 0.75 + 0.24 * max(1, len(spots))), layout="constrained", facecolor="white")
    ax = figure.subplots()
    style.style_axes(ax, grid="x")
    for row, spot in enumerate(spots):
        value, low, high = (np.nan if number is None else number for number in (spot.value, spot.low, spot.high))
        colour = style.ABSENT if spot.faint else style.BLUE
        alpha = 1.0 if spot.strong or spot.faint else 0.5
        if np.isfinite([low, high]).all():
            ax.plot([low, high], [row, row], color=colour, linewidth=1.6, alpha=alpha)
        text = "no value" if not np.isfinite(value) else f"{value:.3f}"
        if np.isfinite(value):
            ax.plot([value], [row], color=colour, marker="o", markersize=5, alpha=alpha)
        ax.text(1.01, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=style.SMALL, color=style.INK)
    ax.set_yticks(range(len(spots)), labels=[style.drawable(spot.name, _MOST) for spot in spots])
    for label, spot in zip(ax.get_yticklabels(), spots, strict=True):
        label.set_fontweight("bold" if spot.strong else "normal")
    ax.set_ylim(len(spots) - 0.4, -0.6)
    left, right = ax.get_xlim()
    if right - left < _NARROW:  # all alike: no digit that nothing stands behind
        middle = (left + right) / 2
        ax.set_xlim(middle - _NARROW / 2, middle + _NARROW / 2)
    ax.set_xlabel(axis, fontsize=style.SMALL, color=style.INK)
    return figure
