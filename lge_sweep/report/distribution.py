"""Dice image by image: box plots, and a heat map of images by cells.

Source: paper Figs. 7 and 14.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lge_sweep.arrays import Mask, Matrix, Vector
from lge_sweep.report import style
from lge_sweep.report.tables import BACKGROUND, CellTables, SweepTables, by_class, foreground, stand_out

_MIN_COLUMN_INCHES = 0.13
"""Inches; where a heat map's columns are narrower, its panels stand one below the other."""


def figure_dice_boxplot(sweep: SweepTables) -> Figure:
    """Dice per class: a panel a class, a box a cell, the single images as points; the best cells stand out.

    Source: paper Figs. 7a and 14a.
    """
    heading = f"{sweep.title}: Dice over images, stage {sweep.stage}"
    cells, classes = sweep.cells, sweep.classes
    if not cells:
        return style.blank_figure(heading, style.NO_CELL)
    figure = style.new_figure(heading, 1.9 + 0.42 * len(cells))
    strong = stand_out(cells, sweep.best)
    ratios = [0.7 if name == BACKGROUND else 1.0 for name in classes]
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False, width_ratios=ratios).ravel()
    for ax, name in zip(panels, classes, strict=True):
        style.style_axes(ax, grid="x")
        for row, cell in enumerate(cells):
            dice = by_class(cell.per_image, [name])[name].to_numpy(dtype=float)
            _draw_box(ax, row, dice[np.isfinite(dice)], name, strong[row])
        style.dice_axis(ax, name)
    style.label_rows(panels[0], cells, sweep.best, most=30)
    handles: list[Artist] = [
        Patch(facecolor="white", edgecolor=style.INK, label="quartiles"),
        Line2D([], [], color=style.BLACK, linewidth=1.8, label="median"),
        Line2D([], [], color=style.INK, linewidth=0.8, label="to 1.5 times the box's length"),
        Line2D([], [], color=style.INK, marker="o", markersize=3, linestyle="none", alpha=0.6, label="one image"),
    ]
    notes = ["n: images with a value", style.bold_note(sweep)]
    style.footer(figure, handles, ["; ".join(filter(None, notes)), *style.sweep_notes(sweep)])
    return figure


def _draw_box(ax: Axes, row: int, dice: Vector, name: str, strong: bool) -> None:
    """Draw one box with its images, and the number of them; or n/a where there is none."""
    if len(dice) == 0:
        style.say_missing(ax, row, "n/a (no image has it)")
        return
    red, green, blue, _ = to_rgba(style.class_colour(name))
    fade = 0.75 if strong else 0.22
    line = {"color": style.INK, "linewidth": 0.8}
    ax.boxplot(
        [dice], positions=[row], widths=0.56, orientation="horizontal", showfliers=False, patch_artist=True,
        manage_ticks=False, boxprops={"facecolor": (red, green, blue, fade), "edgecolor": style.INK, "linewidth": 0.8},
        medianprops={"color": style.BLACK, "linewidth": 1.8}, whiskerprops=line, capprops=line,
    )  # fmt: skip
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, len(dice))
    size = 9 if len(dice) <= 60 else 4
    ax.scatter(dice, row + jitter, s=size, color=style.INK, alpha=0.55 if strong else 0.35, linewidths=0, zorder=3)
    ax.text(1.05, row, f"n={len(dice)}", va="center", fontsize=style.SMALL - 1, color=style.INK)


def heat_rows(cells: Sequence[CellTables]) -> pd.Series:
    """All images of the cells, grouped by case (cases and images in the order they appear).

    Returns:
        The case of each image; the index is the images.
    """
    tables = [cell.per_image[["image", "case"]] for cell in cells if not cell.per_image.empty]
    cases = pd.concat(tables).drop_duplicates("image").set_index("image")["case"]
    order = {case: place for place, case in enumerate(cases.unique())}
    return cases.sort_values(key=lambda values: values.map(order), kind="stable")


def heat_values(cells: Sequence[CellTables], cases: pd.Series, name: str) -> Matrix:
    """One class's Dice [images, cells], in the order of `cases`; NaN where there is none.

    Args:
        cells: the cells, each a column.
        cases: images in the order of the rows, as `heat_rows` gives them.
        name: the class.
    """
    columns = [by_class(cell.per_image, [name])[name].reindex(cases.index) for cell in cells]
    return np.stack([column.to_numpy(dtype=np.float64) for column in columns], axis=1)


def figure_dice_heatmap(sweep: SweepTables) -> Figure:
    """Dice of each image (row, grouped by case) with each cell (column); a panel a foreground class.

    Panels stand side by side, or one below the other where there are too many cells for that.
    Grey: the class is neither in the truth nor in the prediction. White: the cell has no result for that image.

    Source: paper Figs. 7b and 14b.
    """
    heading = f"{sweep.title}: Dice per image, stage {sweep.stage}"
    cells = sweep.cells
    if all(cell.per_image.empty for cell in cells):
        return style.blank_figure(heading, style.NO_CELL)
    cases, shown = heat_rows(cells), foreground(sweep.classes)
    height = float(np.clip(max(0.05 * len(cases), min(0.17 * len(cases), 4.0)), 1.4, 9.5))
    width = float(np.clip(2.5 + 0.9 * len(cells) * len(shown), 5.6, style.WIDTH))
    column = (width - 2.2) / (len(cells) * len(shown))
    stacked = column < _MIN_COLUMN_INCHES and len(shown) > 1
    if stacked:
        height, column = min(height, 9.5 / len(shown)), column * len(shown)
    upright = max(len(cell.title) for cell in cells) > 14 * column
    total = height * (len(shown) if stacked else 1)
    figure = style.new_figure(heading, total + (3.0 if upright else 1.7), width=width)
    shape = (len(shown), 1) if stacked else (1, len(shown))
    panels = figure.subplots(*shape, sharex=stacked, sharey=True, squeeze=False).ravel()
    values = [heat_values(cells, cases, name) for name in shown]
    done = np.stack([cases.index.isin(by_class(cell.per_image, shown).index) for cell in cells], axis=1)
    for ax, name, dice in zip(panels, shown, values, strict=True):
        picture = _draw_heat(ax, dice, done)
        ax.set_title(style.drawable(name, 30), fontsize=style.NORMAL, color=style.INK)
        if ax is panels[-1] or not stacked:
            _label_columns(ax, cells, sweep.best, upright, column)
        if len(cases) <= 24 and len(cells) * len(shown) <= 12:
            _write_values(ax, dice)
        _separate_cases(ax, cases, height)
    panels[0].set_ylabel("case (a row an image)", fontsize=style.NORMAL, color=style.INK)
    bar = figure.colorbar(picture, ax=list(panels), fraction=0.03, pad=0.02, aspect=(total + 0.5) / 0.16)
    bar.set_label("Dice (0 to 1)", fontsize=style.NORMAL, color=style.INK)
    bar.ax.tick_params(labelsize=style.SMALL, labelcolor=style.INK)
    bar.outline.set_visible(False)
    handles: list[Artist] = []
    if any((np.isnan(dice) & done).any() for dice in values):
        handles.append(Patch(facecolor=style.ABSENT, label="class absent in truth and prediction"))
    if not done.all():
        handles.append(Patch(facecolor="white", edgecolor=style.ABSENT, label="no result"))
    style.footer(figure, handles, [style.bold_note(sweep), *style.sweep_notes(sweep)])
    return figure


def _label_columns(ax: Axes, cells: Sequence[CellTables], best: Sequence[str], upright: bool, inches: float) -> None:
    """Write the cells under the columns, which are so many inches wide."""
    ax.set_xticks(
        range(len(cells)),
        labels=[style.drawable(cell.title, 40) for cell in cells],
        rotation=90 if upright else 0,
        fontsize=min(style.SMALL, 72 * inches / 1.25) if upright else style.SMALL,
    )
    style.mark_labels(ax.get_xticklabels(), cells, best)


def _draw_heat(ax: Axes, dice: Matrix, done: Mask) -> AxesImage:
    """Paint the values [images, cells] from 0 to 1; grey where there is none, white where the cell did not run."""
    style.style_axes(ax, grid="none")
    scale = colormaps["viridis"].with_extremes(bad=style.ABSENT)
    picture = ax.imshow(np.ma.masked_invalid(dice), cmap=scale, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    if not done.all():
        white = np.where(done[..., None], 0.0, 1.0) * np.ones(4)
        ax.imshow(white, aspect="auto", interpolation="nearest")
    ax.vlines(np.arange(1, dice.shape[1]) - 0.5, -0.5, len(dice) - 0.5, color="white", linewidth=1.5)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return picture


def _write_values(ax: Axes, dice: Matrix) -> None:
    """Write each value into its field, light on dark colours and dark on light ones."""
    for (row, column), value in np.ndenumerate(dice):
        if np.isfinite(value):
            ink = "white" if value < 0.6 else style.BLACK
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=style.SMALL - 1, color=ink)


def _separate_cases(ax: Axes, cases: pd.Series, height: float) -> None:
    """Draw a line between cases and label each in its middle; where they are too close, every second, third ..."""
    sizes = [(case, len(list(rows))) for case, rows in groupby(cases)]
    ends = np.cumsum([size for _, size in sizes])
    if len(cases) > 1 and len(cases) <= 400:
        ax.hlines(ends[:-1] - 0.5, *ax.get_xlim(), color="white", linewidth=0.9)
    middles = ends - np.array([size for _, size in sizes]) / 2 - 0.5
    every = int(np.ceil(0.14 * len(sizes) / height))
    ax.set_yticks(middles[::every], labels=[style.drawable(case, 18) for case, _ in sizes[::every]])
