"""The figures of a cell and of a sweep by name: what draws each, of what, and which sweeps have it.

To add one, write a function that draws it in a module beside this one, and an entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from lge_sweep.report.bars import figure_class_bars
from lge_sweep.report.curves import figure_loss_curve, figure_training_curves
from lge_sweep.report.distribution import figure_dice_boxplot, figure_dice_heatmap
from lge_sweep.report.front_figure import figure_search_front
from lge_sweep.report.grid_curves import figure_grid_curves
from lge_sweep.report.overlays import figure_overlays
from lge_sweep.report.ranks import figure_rank_probability
from lge_sweep.report.search_figures import figure_search_importance, figure_search_parallel, figure_search_slices
from lge_sweep.report.spread import figure_metric_spread
from lge_sweep.report.tables import CellImages, SweepTables
from lge_sweep.report.violins import figure_dice_violin


@dataclass(frozen=True)
class SweepFigure:
    """A figure of a sweep.

    Attributes:
        name: of its file, without ending; two may share it that no sweep has both of.
        draw: draws it.
        drawn_if: whether a sweep has it.
    """

    name: str
    draw: Callable[[SweepTables], Figure]
    drawn_if: Callable[[SweepTables], bool] = lambda sweep: True


CELL_FIGURES: dict[str, Callable[[CellImages], Figure]] = {
    "loss_curve": lambda cell: figure_loss_curve(cell.tables),
    "overlays": figure_overlays,
}
"""Name of a cell's figure -> what draws it."""

SWEEP_FIGURES: tuple[SweepFigure, ...] = (
    SweepFigure("training_curves", figure_training_curves, SweepTables.trains_alike),
    SweepFigure("training_curves", figure_grid_curves, SweepTables.varies_training),
    SweepFigure("class_bars", figure_class_bars),
    SweepFigure("dice_boxplot", figure_dice_boxplot, SweepTables.trains_alike),
    SweepFigure("dice_violin", figure_dice_violin, SweepTables.varies_training),
    SweepFigure("metric_spread", figure_metric_spread, SweepTables.varies_training),
    SweepFigure("dice_heatmap", figure_dice_heatmap),
    SweepFigure("rank_probability", figure_rank_probability, SweepTables.has_ranks),
    SweepFigure("search_front", figure_search_front, SweepTables.has_front),
    SweepFigure("search_importance", figure_search_importance, SweepTables.is_search),
    SweepFigure("search_parallel", figure_search_parallel, SweepTables.is_search),
    SweepFigure("search_slices", figure_search_slices, SweepTables.is_search),
)
"""The figures of a sweep, in the order in which they are written."""
