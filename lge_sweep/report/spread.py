"""How much each configuration varies between images: the standard deviation of the six global metrics.

Source: paper Figs. 10 and 17.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lge_sweep.labels import SCORED
from lge_sweep.metrics import METRICS
from lge_sweep.report import style
from lge_sweep.report.bars import MISSING
from lge_sweep.report.tables import CellTables, SweepTables, metric_spread, stand_out

MEAN = "mean of the six"


def spread_table(cells: Sequence[CellTables]) -> pd.DataFrame:
    """Standard deviations over images: a row a cell, a column a metric and their mean; the smallest mean first.

    The mean is missing where any of the six is; cells without one come last, in the order given.

    Returns:
        The index is the cells' places in `cells`.
    """
    table = pd.DataFrame([metric_spread(cell.per_image) for cell in cells], columns=list(SCORED)).reset_index(drop=True)
    table[MEAN] = table[list(SCORED)].mean(axis="columns", skipna=False)
    return table.sort_values(MEAN, kind="stable", na_position="last")


def figure_metric_spread(sweep: SweepTables) -> Figure:
    """Standard deviation over images of each global metric: a panel a metric, a bar a cell, steadiest cell first.

    The best cells' bars are dark.

    Source: paper Figs. 10 and 17.
    """
    heading = f"{sweep.title}: standard deviation over images, stage {sweep.stage}"
    if not sweep.cells:
        return style.blank_figure(heading, style.NO_CELL)
    table = spread_table(sweep.cells)
    cells = [sweep.cells[place] for place in table.index]
    figure = style.new_figure(heading, 1.9 + style.row_inches(len(cells)) * len(cells))
    panels = figure.subplots(1, len(table.columns), sharey=True, squeeze=False).ravel()
    for ax, column in zip(panels, table.columns, strict=True):
        _draw_bars(ax, table[column].to_numpy(dtype=float), cells, sweep.best)
        ax.set_title(
            column if column == MEAN else METRICS[column].title, fontsize=style.SMALL + 0.5, color=style.INK,
            fontweight="bold" if column == MEAN else "normal",
        )  # fmt: skip
    style.label_rows(panels[0], cells, sweep.best)
    notes = [
        "smaller is steadier; sorted by the mean of the six; each panel has its own scale, from 0",
    ]
    more = [
        "per image: mean over the classes with a value there",
        f"{MISSING}: fewer than two images have a value" if table.isna().any(axis=None) else "",
        style.bold_note(sweep),
    ]
    style.footer(figure, [], [*notes, "; ".join(filter(None, more)), *style.sweep_notes(sweep)])
    return figure


def _draw_bars(ax: Axes, values: np.ndarray, cells: Sequence[CellTables], best: Sequence[str]) -> None:
    """Draw one metric's bars, each with its value written behind it; n/a and no bar where there is none."""
    style.style_axes(ax, grid="x")
    rows = np.arange(len(values))
    present = np.isfinite(values)
    strong = stand_out(cells, best)
    colours = [style.VERMILLION if cell.collapsed else style.BLUE for cell in cells]
    for row in rows[present]:
        ax.barh(row, values[row], 0.7, color=colours[row], alpha=0.95 if strong[row] else 0.45, linewidth=0)
    top = float(values[present].max(initial=0.0)) or 1.0
    ax.set_xlim(0, 1.55 * top)
    ax.set_xticks([0, top], labels=["0", f"{top:.2g}"])
    digits = 3 if top >= 0.01 else 4
    for row, value in enumerate(values):
        text = f"{value:.{digits}f}" if np.isfinite(value) else MISSING
        place = value if np.isfinite(value) else 0.0
        ax.text(place + 0.03 * top, row, text, va="center", fontsize=style.SMALL - 0.8, color=style.INK)
