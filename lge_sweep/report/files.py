"""Save the figures of a cell and of a sweep as PNG files, each whole or not at all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lge_sweep.arrays import LabelImage, Pixels8
from lge_sweep.atomic import atomic_file
from lge_sweep.report.bars import figure_class_bars
from lge_sweep.report.curves import figure_loss_curve, figure_training_curves
from lge_sweep.report.distribution import figure_dice_boxplot, figure_dice_heatmap
from lge_sweep.report.grid_curves import figure_grid_curves
from lge_sweep.report.overlays import figure_overlays
from lge_sweep.report.ranks import figure_rank_probability
from lge_sweep.report.spread import figure_metric_spread
from lge_sweep.report.tables import CellTables, RankLine, short_models, shorten_title
from lge_sweep.report.violins import figure_dice_violin


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG under a temporary name in the same folder, then rename it.

    Args:
        figure: what to write.
        path: where; the folder is created if needed, an existing file is replaced.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as unfinished:
        FigureCanvasAgg(figure).print_png(unfinished)  # type: ignore[no-untyped-call]  # savefig would draw twice
    return path


def write_cell_figures(
    folder: Path,
    cell: CellTables,
    images: Pixels8,
    truth: LabelImage,
    prediction: LabelImage,
    classes: Sequence[str],
) -> list[Path]:
    """Write one cell's figures: ``loss_curve.png`` and ``overlays.png``.

    Args:
        folder: where to write; created if needed.
        cell: the cell's tables.
        images: [N, H, W], grey, 0 to 255, in the order of ``cell.per_image["image"].unique()``.
        truth: [N, H, W], channel indices into `classes`.
        prediction: as `truth`.
        classes: names of the stage's classes, background first.

    Returns:
        The files written.
    """
    return [
        save_png(figure_loss_curve(cell), folder / "loss_curve.png"),
        save_png(figure_overlays(cell, images, truth, prediction, classes), folder / "overlays.png"),
    ]


def write_sweep_figures(
    folder: Path,
    title: str,
    cells: Sequence[CellTables],
    best: Sequence[str],
    classes: Sequence[str],
    stage: int,
    ranks: Sequence[RankLine] = (),
) -> list[Path]:
    """Write a sweep's figures: training curves, bars per class, Dice distribution and Dice heat map.

    Where the cells differ in loss or optimizer (phase 2), the curves are drawn a panel an optimizer, the distribution
    as violins (``dice_violin.png`` instead of ``dice_boxplot.png``), and the standard deviations over images are added
    (``metric_spread.png``); long titles have their models' names shortened.

    Args:
        folder: where to write; created if needed.
        title: the sweep's name, e.g. ``phase 1, EMIDEC``.
        cells: the cells that have results, in the order to show them; failed ones are left out.
        best: names of the best cells, best first (one named here without results is noted on the figures).
        classes: names of the stage's classes, background first.
        stage: 1 or 2.
        ranks: how sure each cell's rank is; if any, ``rank_probability.png`` is written too.

    Returns:
        The files written.

    Source: paper Figs. 5 to 10 (stage 1) and 12 to 17 (stage 2).
    """
    if len({(cell.loss, cell.optimizer) for cell in cells}) > 1:
        short = short_models(cells)
        cells = [replace(cell, title=shorten_title(cell.title, short)) for cell in cells]
        ranks = [replace(line, title=shorten_title(line.title, short)) for line in ranks]
        figures = {
            "training_curves": figure_grid_curves(title, cells, best, stage),
            "class_bars": figure_class_bars(title, cells, best, classes, stage),
            "dice_violin": figure_dice_violin(title, cells, best, classes, stage),
            "metric_spread": figure_metric_spread(title, cells, best, stage),
        }
    else:
        figures = {
            "training_curves": figure_training_curves(title, cells, best, stage),
            "class_bars": figure_class_bars(title, cells, best, classes, stage),
            "dice_boxplot": figure_dice_boxplot(title, cells, best, classes, stage),
        }
    figures["dice_heatmap"] = figure_dice_heatmap(title, cells, best, classes, stage)
    if ranks:
        figures["rank_probability"] = figure_rank_probability(title, ranks, best, stage)
    return [save_png(figure, folder / f"{name}.png") for name, figure in figures.items()]
