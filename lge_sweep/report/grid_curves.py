"""Validation loss over iterations for a grid of losses and optimizers: a line a loss, a panel an optimizer and model.

Source: paper Figs. 8 and 15.
"""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from lge_sweep.report import style
from lge_sweep.report.curves import limits_of, scale_loss
from lge_sweep.report.tables import CellTables, Curve, SweepTables, best_validation, diverged, loss_curve

_LINE_STYLES = list(
    zip((style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.BLACK), "os^Dvx", strict=True)
)
"""Colour and marker of a loss, in the order of the grid."""
_SEED_ALPHA = 0.45


def loss_units(cells: Sequence[CellTables]) -> dict[str, float]:
    """What a loss is measured in: the median, over the cells trained with it, of the first validation loss.

    One unit for all cells of a loss, not one a cell: an optimizer that had already improved by its first validation
    shall not look worse than one that had not.

    Returns:
        Loss -> unit, without losses that have no validation or whose unit is not positive.
    """
    firsts: dict[str, list[float]] = {}
    for cell in cells:
        validations = loss_curve(cell.history, "val_loss").loss
        if len(validations):
            firsts.setdefault(cell.loss, []).append(float(validations[0]))
    units = {loss: float(np.median(values)) for loss, values in firsts.items()}
    return {loss: unit for loss, unit in units.items() if unit > 0}


def relative_curve(cell: CellTables, units: dict[str, float]) -> Curve:
    """A cell's validation losses in its loss's unit; empty where there are none or no unit."""
    step, loss = loss_curve(cell.history, "val_loss")
    if cell.loss not in units:
        return Curve(np.empty(0), np.empty(0))
    return Curve(step, loss / units[cell.loss])


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Mean of several seeds' curves, at the iterations where all of them have a value."""
    lines = [pd.Series(loss, index=step).groupby(level=0).last() for step, loss in curves]
    table = pd.concat(lines, axis="columns").dropna().sort_index()
    return Curve(table.index.to_numpy(dtype=np.float64), table.mean(axis="columns").to_numpy(dtype=np.float64))


def figure_grid_curves(sweep: SweepTables) -> Figure:
    """Validation loss of every cell: a panel an optimizer, a row of panels a model, a line a loss (thin: a seed).

    Losses have different scales, so each is drawn in its own unit (`loss_units`): one colour compares between panels,
    different colours only in shape. All panels share their axes. What is missing in the grid that the cells span is
    said over its panel; a star marks the best cells' lowest validation.

    Source: paper Figs. 8 and 15.
    """
    heading = f"{sweep.title}: validation loss, stage {sweep.stage}"
    cells = sweep.cells
    if not cells:
        return style.blank_figure(heading, style.NO_CELL)
    models, optimizers, losses = (
        list(dict.fromkeys(getattr(cell, axis) for cell in cells)) for axis in ("model", "optimizer", "loss")
    )
    line_styles = dict(zip(losses, cycle(_LINE_STYLES), strict=False))
    units = loss_units(cells)
    figure = style.new_figure(heading, 1.5 + 2.9 * len(models))
    panels = figure.subplots(len(models), len(optimizers), sharex=True, sharey=True, squeeze=False)
    limits = limits_of([relative_curve(cell, units).loss for cell in cells], span=20)
    for (row, column), ax in np.ndenumerate(panels):
        here = [cell for cell in cells if (cell.model, cell.optimizer) == (models[row], optimizers[column])]
        _panel(ax, here, units, line_styles, sweep.best)
        lines = [style.drawable(f"{models[row]} + {optimizers[column]}", 50)]
        lines += [
            style.wrap(note, style.WIDTH / len(optimizers) - 0.8, style.SMALL)
            for note in missing_notes(cells, here, units)
        ]
        ax.set_title("\n".join(lines), fontsize=style.NORMAL if len(lines) == 1 else style.SMALL, color=style.INK)
        if column == 0:
            ax.set_ylabel(
                "validation loss, relative\n(1: the loss's median first)", fontsize=style.SMALL, color=style.INK
            )
        if row == len(models) - 1:
            ax.set_xlabel("iteration", fontsize=style.SMALL, color=style.INK)
    scale_loss(panels[0, 0], limits)
    if limits[2]:
        panels[0, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[0, 0].yaxis.set_major_formatter("{x:g}")
        panels[0, 0].yaxis.set_minor_formatter(NullFormatter())
    style.footer(figure, _legend(cells, line_styles, sweep.best, units), _notes(sweep, limits[2]))
    return figure


def missing_notes(cells: Sequence[CellTables], here: Sequence[CellTables], units: dict[str, float]) -> list[str]:
    """Say what a panel lacks: losses (and seeds) that other panels have, and cells whose line cannot be drawn.

    Args:
        cells: all cells.
        here: the panel's.
        units: as `loss_units` gives them.
    """
    seeds = {cell.seed for cell in cells}
    absent = dict.fromkeys((cell.loss, cell.seed) for cell in cells if (cell.loss, cell.seed) not in _loss_seeds(here))
    undrawn = dict.fromkeys((cell.loss, cell.seed) for cell in here if not len(relative_curve(cell, units).step))
    notes = []
    for what, keys in (("no result", absent), ("no validation to draw", undrawn)):
        names = []
        for loss in dict.fromkeys(loss for loss, _ in keys):
            mine = sorted(seed for other, seed in keys if other == loss)
            whole = len(mine) == len({cell.seed for cell in cells if cell.loss == loss}) or len(seeds) == 1
            names.append(loss if whole else f"{loss} seed {' and '.join(map(str, mine))}")
        if names:
            notes.append(f"{what}: {', '.join(names)}")
    return notes


def _loss_seeds(cells: Sequence[CellTables]) -> set[tuple[str, int]]:
    """The cells' losses and seeds."""
    return {(cell.loss, cell.seed) for cell in cells}


def _panel(
    ax: Axes,
    cells: Sequence[CellTables],
    units: dict[str, float],
    line_styles: dict[str, tuple[str, str]],
    best: Sequence[str],
) -> None:
    """Draw one model's and optimizer's cells."""
    style.style_axes(ax)
    if not cells:
        style.write_message(ax, "no cell with results")
    for loss in dict.fromkeys(cell.loss for cell in cells):
        colour, marker = line_styles[loss]
        mine = [cell for cell in cells if cell.loss == loss]
        curves = [drawn for cell in mine if len((drawn := relative_curve(cell, units)).step)]
        repeated = len(mine) > 1 and len(_loss_seeds(mine)) == len(mine)
        for cell in mine:
            line = relative_curve(cell, units)
            lowest = best_validation(cell.history)
            if lowest is None or not len(line.step):
                continue
            ax.plot(
                *line, color=colour, linewidth=0.7 if repeated else 1.4, alpha=_SEED_ALPHA if repeated else 1.0,
                linestyle="--" if cell.collapsed else "-", marker=marker, markersize=2.0 if repeated else 3.2,
                gid=cell.name,
            )  # fmt: skip
            if cell.name in best:
                ax.plot(
                    [lowest.step], [lowest.loss / units[loss]], linestyle="none", marker="*", markersize=12,
                    markerfacecolor=colour, markeredgecolor=style.BLACK, markeredgewidth=0.9, zorder=5,
                )  # fmt: skip
        if repeated and len(curves) > 1:
            dashes = "--" if all(cell.collapsed for cell in mine) else "-"
            ax.plot(*mean_curve(curves), color=colour, linewidth=2.0, linestyle=dashes, zorder=3)


def _legend(
    cells: Sequence[CellTables], line_styles: dict[str, tuple[str, str]], best: Sequence[str], units: dict[str, float]
) -> list[Artist]:
    """A line a loss, and the star and dashes where they occur."""
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, linewidth=1.6, label=style.drawable(loss, 24))
        for loss, (colour, marker) in line_styles.items()
    ]
    drawn = [cell for cell in cells if len(relative_curve(cell, units).step)]
    if any(cell.collapsed for cell in drawn):
        handles.append(Line2D([], [], color=style.INK, linewidth=1.4, linestyle="--", label="collapsed"))
    if any(cell.name in best for cell in drawn):
        star = Line2D([], [], linestyle="none", marker="*", markersize=11, label="lowest, of the best cells")
        star.set(markerfacecolor="white", markeredgecolor=style.BLACK)
        handles.append(star)
    return list(handles)


def _notes(sweep: SweepTables, logarithmic: bool) -> list[str]:
    """What the reader must know of the scale, the seeds and lost values."""
    notes = [
        "relative to the first validation, median over all cells of the same loss",
        "one colour compares between panels; different colours compare only in shape, not in height",
    ]
    seeds = len({cell.seed for cell in sweep.cells})
    parts = ["thin: a seed; thick: mean over seeds, as far as all of them ran"] if seeds > 1 else []
    parts += ["log scale"] if logarithmic else []
    lost = [cell.title for cell in sweep.cells if diverged(cell.history)]
    return [
        *notes,
        "; ".join(parts),
        f"training loss not finite on some iterations: {style.list_or_count(lost)}" if lost else "",
        *style.sweep_notes(sweep),
    ]
