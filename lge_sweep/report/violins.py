"""Dice over images for many configurations: a violin with a box in it.

Source: paper Figs. 9 and 16.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lge_sweep.arrays import Vector
from lge_sweep.report import style
from lge_sweep.report.tables import CellTables, SweepTables, by_class, foreground, stand_out

_MIN_VIOLIN_VALUES = 5
"""Fewer values than this, or all equal, get points instead of a violin."""


def figure_dice_violin(sweep: SweepTables) -> Figure:
    """Dice per foreground class: a panel a class, a violin with a box a cell; the best cells stand out.

    The violin is a density estimate cut at the lowest and highest value.

    Source: paper Figs. 9 and 16.
    """
    heading = f"{sweep.title}: Dice over images, stage {sweep.stage}"
    cells, shown = sweep.cells, foreground(sweep.classes)
    if not cells:
        return style.blank_figure(heading, style.NO_CELL)
    figure = style.new_figure(heading, 1.9 + style.row_inches(len(cells)) * len(cells))
    strong = stand_out(cells, sweep.best)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False).ravel()
    for ax, name in zip(panels, shown, strict=True):
        style.style_axes(ax, grid="x")
        for row, cell in enumerate(cells):
            dice = by_class(cell.per_image, [name])[name].to_numpy(dtype=float)
            if not np.isfinite(dice).any():
                style.say_missing(ax, row, "n/a (no image has it)" if len(dice) else "no result")
                continue
            _draw(ax, row, dice[np.isfinite(dice)], name, strong[row])
        _separate_models(ax, cells)
        style.dice_axis(ax, name)
    style.label_rows(panels[0], cells, sweep.best)
    handles: list[Artist] = [
        Patch(facecolor=style.ABSENT, label="density over images"),
        Patch(facecolor="white", edgecolor=style.INK, label="quartiles"),
        Line2D([], [], color=style.BLACK, linewidth=2.2, label="median"),
        Line2D([], [], color=style.INK, linewidth=0.8, label="to 1.5 times the box's length"),
    ]
    notes = [
        f"n: images with a value (points where fewer than {_MIN_VIOLIN_VALUES}, or all equal)",
        style.bold_note(sweep),
    ]
    style.footer(figure, handles, ["; ".join(filter(None, notes)), *style.sweep_notes(sweep)])
    return figure


def _draw(ax: Axes, row: int, dice: Vector, name: str, strong: bool) -> None:
    """Draw one violin with its box, and the number of images."""
    red, green, blue, _ = to_rgba(style.class_colour(name))
    if len(dice) < _MIN_VIOLIN_VALUES or np.ptp(dice) == 0:
        ax.scatter(dice, np.full(len(dice), row), s=9, color=style.INK, linewidths=0, zorder=4)
    else:
        parts: Any = ax.violinplot([dice], [row], orientation="horizontal", widths=0.92, showextrema=False, points=200)
        (body,) = parts["bodies"]
        body.set(facecolor=(red, green, blue, 0.75 if strong else 0.3), edgecolor=style.INK, linewidth=0.5, alpha=None)
    line = {"color": style.INK, "linewidth": 0.8}
    ax.boxplot(
        [dice], positions=[row], widths=0.26, orientation="horizontal", showfliers=False, patch_artist=True,
        manage_ticks=False, boxprops={"facecolor": "white", "edgecolor": style.INK, "linewidth": 0.8},
        medianprops={"color": style.BLACK, "linewidth": 2.2}, whiskerprops=line, showcaps=False,
    )  # fmt: skip
    ax.text(1.05, row, f"n={len(dice)}", va="center", fontsize=style.SMALL - 1, color=style.INK)


def _separate_models(ax: Axes, cells: Sequence[CellTables]) -> None:
    """Draw a line between the rows of one model and those of the next."""
    for row in range(1, len(cells)):
        if cells[row].model != cells[row - 1].model:
            ax.axhline(row - 0.5, color=style.ABSENT, linewidth=0.9)
