"""The figures of a cell and of a sweep by name: what draws each, of what, and which sweeps have it.

To add one, write a function that draws it in a module beside this one, and an entry here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from lge_sweep.arrays import LabelImage, Pixels8
from lge_sweep.report.bars import figure_class_bars
from lge_sweep.report.curves import figure_loss_curve, figure_training_curves
from lge_sweep.report.distribution import figure_dice_boxplot, figure_dice_heatmap
from lge_sweep.report.grid_curves import figure_grid_curves
from lge_sweep.report.overlays import figure_overlays
from lge_sweep.report.ranks import figure_rank_probability
from lge_sweep.report.spread import figure_metric_spread
from lge_sweep.report.tables import CellTables, RankLine, short_models, shorten_title
from lge_sweep.report.violins import figure_dice_violin


@dataclass(frozen=True)
class CellImages:
    """What a cell's figures are drawn of.

    Attributes:
        tables: the cell's tables.
        images: [N, H, W], intensities 0 to 255, in the order of ``tables.per_image["image"].unique()``.
        truth: [N, H, W], channel indices into `classes`.
        prediction: as `truth`.
        classes: names of the stage's classes, background first.
    """

    tables: CellTables
    images: Pixels8
    truth: LabelImage
    prediction: LabelImage
    classes: Sequence[str]


@dataclass(frozen=True)
class SweepTables:
    """What a sweep's figures are drawn of.

    Attributes:
        title: the sweep's name, e.g. ``phase 1, EMIDEC``.
        cells: the cells that have results, in the order to show them; failed ones are left out.
        best: names of the best cells, best first (one named here without results is noted on the figures).
        classes: names of the stage's classes, background first.
        stage: 1 or 2.
        ranks: how sure each cell's rank is.
    """

    title: str
    cells: Sequence[CellTables]
    best: Sequence[str]
    classes: Sequence[str]
    stage: int
    ranks: Sequence[RankLine] = ()

    def varies_training(self) -> bool:
        """Whether the cells differ in loss or optimizer, as in phase 2."""
        return len({(cell.loss, cell.optimizer) for cell in self.cells}) > 1

    def trains_alike(self) -> bool:
        """Whether all cells have one loss and one optimizer, as in phase 1."""
        return not self.varies_training()

    def has_ranks(self) -> bool:
        """Whether it is known how sure the ranks are."""
        return bool(self.ranks)

    def with_short_titles(self) -> "SweepTables":
        """Return the tables with the names of models shortened in the cells' titles."""
        short = short_models(self.cells)
        return replace(
            self,
            cells=[replace(cell, title=shorten_title(cell.title, short)) for cell in self.cells],
            ranks=[replace(line, title=shorten_title(line.title, short)) for line in self.ranks],
        )


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
    "overlays": lambda cell: figure_overlays(cell.tables, cell.images, cell.truth, cell.prediction, cell.classes),
}
"""Name of a cell's figure -> what draws it."""

SWEEP_FIGURES: tuple[SweepFigure, ...] = (
    SweepFigure(
        "training_curves", lambda s: figure_training_curves(s.title, s.cells, s.best, s.stage), SweepTables.trains_alike
    ),
    SweepFigure(
        "training_curves", lambda s: figure_grid_curves(s.title, s.cells, s.best, s.stage), SweepTables.varies_training
    ),
    SweepFigure("class_bars", lambda s: figure_class_bars(s.title, s.cells, s.best, s.classes, s.stage)),
    SweepFigure(
        "dice_boxplot",
        lambda s: figure_dice_boxplot(s.title, s.cells, s.best, s.classes, s.stage),
        SweepTables.trains_alike,
    ),
    SweepFigure(
        "dice_violin",
        lambda s: figure_dice_violin(s.title, s.cells, s.best, s.classes, s.stage),
        SweepTables.varies_training,
    ),
    SweepFigure(
        "metric_spread", lambda s: figure_metric_spread(s.title, s.cells, s.best, s.stage), SweepTables.varies_training
    ),
    SweepFigure("dice_heatmap", lambda s: figure_dice_heatmap(s.title, s.cells, s.best, s.classes, s.stage)),
    SweepFigure(
        "rank_probability", lambda s: figure_rank_probability(s.title, s.ranks, s.best, s.stage), SweepTables.has_ranks
    ),
)
"""The figures of a sweep, in the order in which they are written."""
