"""Loss over iterations: one cell's curve, and those of all cells of a sweep.

Source: paper Figs. 5 and 12.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lge_sweep.arrays import Vector
from lge_sweep.report import style
from lge_sweep.report.tables import (
    BestValidation,
    CellTables,
    SweepTables,
    best_validation,
    diverged,
    loss_curve,
    moving_mean,
)

_TRAIN, _TRAIN_MEAN, _VALIDATION, _BEST, _OTHERS = (
    "training",
    "training (moving mean)",
    "validation",
    "best validation",
    "others",
)


def smoothing_window(history: pd.DataFrame) -> int:
    """Number of iterations that the moving mean takes: a fortieth of the history, odd; 5 at least, 1 for under 10."""
    return 2 * max(len(history) // 80, min(2, len(history) // 5)) + 1


def draw_losses(ax: Axes, history: pd.DataFrame) -> BestValidation | None:
    """Draw training loss (thin, and smoothed), validation loss with markers and a star at the best validation.

    Returns:
        The best validation, or None if there was none.
    """
    train, validation, best = (
        loss_curve(history, "train_loss"),
        loss_curve(history, "val_loss"),
        best_validation(history),
    )
    if len(train.step):
        one = "." if len(train.step) == 1 else ""
        ax.plot(*train, color=style.BLUE, linewidth=0.6, alpha=0.35, marker=one, label=_TRAIN)
        ax.plot(
            train.step,
            moving_mean(train.loss, smoothing_window(history)),
            color=style.BLUE,
            linewidth=1.5,
            label=_TRAIN_MEAN,
        )
    if best is not None:
        ax.plot(*validation, color=style.VERMILLION, linewidth=1.3, marker="o", markersize=3.5, label=_VALIDATION)
        ax.plot(
            [best.step], [best.loss], linestyle="none", marker="*", markersize=13, markerfacecolor=style.ORANGE,
            markeredgecolor=style.BLACK, markeredgewidth=0.8, zorder=5, label=_BEST,
        )  # fmt: skip
    return best


def loss_limits(histories: Sequence[pd.DataFrame]) -> tuple[float, float, bool]:
    """Common limits of the loss axis: from 0 to the highest validation or smoothed training loss.

    Returns:
        Bottom, top, and whether the axis is logarithmic (positive losses that span more than a factor of 50).
    """
    lines = [moving_mean(loss_curve(history, "train_loss").loss, smoothing_window(history)) for history in histories]
    return limits_of([*lines, *(loss_curve(history, "val_loss").loss for history in histories)])


def limits_of(lines: Sequence[Vector], span: float = 50) -> tuple[float, float, bool]:
    """Limits that hold all finite values, as `loss_limits`; logarithmic from a factor of `span` on."""
    values = np.concatenate([*lines, np.empty(0)])
    if len(values) == 0:
        return 0.0, 1.0, False
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > span:
        return low / 1.5, high * 1.5, True
    margin = 0.06 * ((high - min(low, 0.0)) or 1.0)
    return (0.0 if low >= 0 else low - margin), high + margin, False


def scale_loss(ax: Axes, limits: tuple[float, float, bool]) -> None:
    """Apply what `loss_limits` found."""
    bottom, top, logarithmic = limits
    if logarithmic:
        ax.set_yscale("log")
    ax.set_ylim(bottom, top)


def add_epochs(ax: Axes, history: pd.DataFrame) -> None:
    """Add a second scale on top: the epochs, where each begins (every so many, at most 15)."""
    starts = history.groupby("epoch")["step"].min()
    starts = starts.iloc[:: -(-len(starts) // 15)]
    top = ax.secondary_xaxis("top")
    top.set_xticks(starts.to_numpy(dtype=float), labels=[str(int(epoch)) for epoch in starts.index])
    top.set_xlabel("epoch", fontsize=style.NORMAL, color=style.INK)
    top.tick_params(labelsize=style.SMALL, color=style.FAINT, labelcolor=style.INK)
    top.spines["top"].set_visible(False)


def figure_loss_curve(cell: CellTables) -> Figure:
    """One cell's training and validation loss, with the best validation marked and said in words.

    Args:
        cell: its history may be empty or without validations; the figure then says so.

    Returns:
        A figure with one pair of axes (and a scale of epochs).
    """
    title = f"Loss: {cell.name}"
    if cell.history.empty:
        return style.blank_figure(title, "no training history was recorded", style.collapse_note(cell))
    figure = style.new_figure(title, 4.6, style.collapse_note(cell))
    ax = figure.add_subplot()
    style.style_axes(ax)
    best = draw_losses(ax, cell.history)
    last = int(cell.history["step"].max())
    ax.set_xlim(0, max(1.0, 1.03 * last))
    limits = loss_limits([cell.history])
    scale_loss(ax, limits)
    add_epochs(ax, cell.history)
    ax.set_xlabel("iteration", fontsize=style.NORMAL, color=style.INK)
    unit = style.drawable(cell.loss, 40) + (", log scale" if limits[2] else "")
    ax.set_ylabel(f"loss ({unit})", fontsize=style.NORMAL, color=style.INK)
    notes = ["no validation loss was recorded: there is no best point"]
    if best is not None:
        notes = [f"best validation loss {best.loss:.4g} at iteration {best.step} (epoch {best.epoch}); end: {last}"]
    lost = diverged(cell.history)
    notes += [f"{lost} iterations with a loss that is not a finite number are not drawn"] if lost else []
    if not len(loss_curve(cell.history, "train_loss").step) and best is None:
        style.write_message(ax, "no finite loss was recorded")
    style.footer(figure, _handles(ax), notes)
    return figure


def _handles(ax: Axes) -> list[Artist]:
    """What the axes' own lines are, for the legend."""
    return [line for line in ax.lines if not str(line.get_label()).startswith("_")]


def figure_training_curves(sweep: SweepTables) -> Figure:
    """Training and validation loss of all cells on comparable axes, best validations marked; a panel a cell.

    All panels share their axes, and each shows the other cells' validation loss in grey. Cells trained with different
    losses (`CellTables.loss`) share only the iterations: their losses are not comparable. The best cells' titles are
    bold.

    Source: paper Figs. 5 and 12.
    """
    heading = f"{sweep.title}: training curves, stage {sweep.stage}"
    cells = sweep.cells
    if not cells:
        return style.blank_figure(heading, style.NO_CELL)
    columns = 2 if len(cells) in (2, 4) else min(len(cells), 3)
    rows = -(-len(cells) // columns)
    figure = style.new_figure(heading, 1.3 + (2.3 if rows > 1 else 3.4) * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel().tolist()
    losses = dict.fromkeys(cell.loss for cell in cells)
    different = len(losses) > 1
    alike = {loss: [cell for cell in cells if cell.loss == loss] for loss in losses}
    limits = {loss: loss_limits([cell.history for cell in alike[loss]]) for loss in losses}
    for number, (ax, cell) in enumerate(zip(panels, cells, strict=False)):
        _panel(ax, cell, alike[cell.loss], limits[cell.loss])
        style.cell_title(ax, cell, cell.name in sweep.best and len(cells) > 1, style.WIDTH / columns - 0.6)
        if number % columns == 0 or different:
            ax.set_ylabel(
                f"loss ({style.drawable(cell.loss, 24)})" if different else "loss",
                fontsize=style.SMALL,
                color=style.INK,
            )
        else:
            ax.tick_params(labelleft=False)
        if number + columns >= len(cells):
            ax.set_xlabel("iteration", fontsize=style.SMALL, color=style.INK)
            ax.tick_params(labelbottom=True)
    for ax in panels[len(cells) :]:
        ax.set_axis_off()
    notes = ["different losses: heights compare only between panels with the same loss"] if different else []
    notes += ["losses on a log scale"] if any(logarithmic for _, _, logarithmic in limits.values()) else []
    style.footer(
        figure,
        _legend(panels, len(cells) > 1),
        [style.bold_note(sweep), "; ".join(notes), *style.sweep_notes(sweep, titled=True)],
    )
    return figure


def _panel(ax: Axes, cell: CellTables, alike: Sequence[CellTables], limits: tuple[float, float, bool]) -> None:
    """Draw one cell of `figure_training_curves`, and the validation of those with the same loss behind it."""
    style.style_axes(ax)
    for other in alike:
        if other is not cell and len(loss_curve(other.history, "val_loss").step):
            ax.plot(*loss_curve(other.history, "val_loss"), color=style.FAINT, linewidth=1.0, label=_OTHERS, zorder=1)
    found = draw_losses(ax, cell.history)
    scale_loss(ax, limits)
    if cell.history.empty:
        style.write_message(ax, "no training history")
    elif found is None:
        ax.text(
            0.97,
            0.95,
            "no validation",
            transform=ax.transAxes,
            ha="right",
            va="top",
            fontsize=style.SMALL,
            color=style.INK,
        )


def _legend(panels: Sequence[Axes], several: bool) -> list[Artist]:
    """One entry for each kind of line that occurs in any panel."""
    drawn: dict[str, Line2D] = {str(line.get_label()): line for ax in panels for line in ax.lines}
    names = {_OTHERS: "validation of the other cells"}
    entries: list[Artist] = []
    for kind in (_TRAIN, _TRAIN_MEAN, _VALIDATION, _BEST, *([_OTHERS] if several else [])):
        if kind in drawn:
            entry = Line2D([], [])
            entry.update_from(drawn[kind])
            entry.set_label(names.get(kind, kind))
            entries.append(entry)
    return entries
