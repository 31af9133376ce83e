"""The six metrics per class, for the best cells side by side.

Source: paper Figs. 6 and 13.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lge_sweep.labels import SCORED
from lge_sweep.metrics import METRICS
from lge_sweep.report import style
from lge_sweep.report.tables import SweepTables, best_cells, image_means

MISSING = "n/a"


def figure_class_bars(sweep: SweepTables) -> Figure:
    """Bars of each metric and class, mean over images, for the best two cells side by side.

    If none of the best has results, the first two cells are drawn. A class without a value on any image has no bar but
    the letters n/a.

    Source: paper Figs. 6 and 13.
    """
    heading = f"{sweep.title}: metrics per class, stage {sweep.stage}"
    best = best_cells(sweep.cells, sweep.best)[:2]
    chosen = best or sweep.cells[:2]
    if not chosen:
        return style.blank_figure(heading, style.NO_CELL)
    figure = style.new_figure(heading, 4.2)
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False).ravel()
    tables = [image_means(cell.per_image, sweep.classes) for cell in chosen]
    for ax, cell, means in zip(panels, chosen, tables, strict=True):
        _draw_bars(ax, means)
        style.cell_title(ax, cell, bold=False, inches=style.WIDTH / len(chosen) - 0.5)
    panels[0].set_ylabel("mean over images (0 to 1)", fontsize=style.NORMAL, color=style.INK)
    handles = [
        Patch(facecolor=style.class_colour(name), edgecolor=style.INK, linewidth=0.6, label=style.drawable(name))
        for name in sweep.classes
    ]
    notes = [] if best else ["no best cell has results: the first of the sweep are shown"]
    if any(means.isna().any(axis=None) for means in tables):
        notes += [f"{MISSING}: the metric has no value for this class on any image"]
    style.footer(figure, handles, [*notes, *style.sweep_notes(sweep, titled=True)])
    return figure


def _draw_bars(ax: Axes, means: pd.DataFrame) -> None:
    """Draw one group of bars a metric, one bar a class, the value above each.

    Args:
        ax: the axes.
        means: a row a class, a column a metric.
    """
    style.style_axes(ax, grid="y")
    width = 0.84 / len(means)
    for row, name in enumerate(means.index):
        places = np.arange(len(SCORED)) + (row - (len(means) - 1) / 2) * width
        values = means.loc[name, list(SCORED)].to_numpy(dtype=float)
        present = np.isfinite(values)
        ax.bar(
            places[present],
            values[present],
            width * 0.92,
            color=style.class_colour(name),
            edgecolor=style.INK,
            linewidth=0.6,
        )
        for place, value in zip(places, values, strict=True):
            text = f"{value:.2f}" if np.isfinite(value) else MISSING
            height = value if np.isfinite(value) else 0.0
            ax.text(
                place,
                height + 0.015,
                text,
                ha="center",
                va="bottom",
                rotation=90,
                fontsize=style.SMALL,
                color=style.INK,
            )
    ax.set_xticks(np.arange(len(SCORED)), labels=[METRICS[name].title for name in SCORED])
    ax.set_xlim(-0.5, len(SCORED) - 0.5)
    ax.set_ylim(0, 1.14)
    ax.set_yticks(np.linspace(0, 1, 6))
