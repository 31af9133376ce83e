"""What the figures are drawn from: the tables of a cell and of a sweep, and the small sums over them.

Nothing here draws. A missing value (NaN: class absent in truth and prediction) stays missing; it never becomes 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage, Pixels8, Vector
from lge_sweep.labels import SCORED, Label
from lge_sweep.metrics import aggregate
from lge_sweep.report.search_tables import SearchTables

if TYPE_CHECKING:
    from lge_sweep.scoring import Standing

BACKGROUND = Label.BACKGROUND.title
_MAX_TITLE = 24
"""Titles of more letters have their models' names shortened in figures of many cells."""


@dataclass(frozen=True, eq=False)
class CellTables:
    """The results of one cell, as plain tables.

    Args:
        name: the cell's name, e.g. ``unet-cross_entropy-adam``.
        title: short label for legends and panel titles, e.g. ``unet``.
        history: one row an iteration: step, epoch, train_loss, val_loss (NaN except on validation steps).
        per_image: one row an image and class: image, case, class and the metrics (NaN: no value).
        collapsed: names of the classes that were never predicted.
        loss: name of the loss function. Cells whose losses differ do not share a loss axis.
        model: name of the model.
        optimizer: name of the optimizer.
        seed: the seed; cells that differ in nothing else are repeats of one configuration.
    """

    name: str
    title: str
    history: pd.DataFrame
    per_image: pd.DataFrame
    collapsed: tuple[str, ...]
    loss: str
    model: str
    optimizer: str
    seed: int


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
class RankLine:
    """How sure a cell's place in the ranking is, or a configuration's where seeds are repeated.

    Args:
        title: short label, as in `CellTables`.
        standing: the score and the rank, with their doubt; a configuration's name is that of its cells without
            ``-seed1``.
    """

    title: str
    standing: "Standing"


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
        search: what a search drew, and what came of it; None for a grid.
    """

    title: str
    cells: Sequence[CellTables]
    best: Sequence[str]
    classes: Sequence[str]
    stage: int
    ranks: Sequence[RankLine] = ()
    search: SearchTables | None = None

    def varies_training(self) -> bool:
        """Whether the cells differ in loss or optimizer, as in phase 2."""
        return len({(cell.loss, cell.optimizer) for cell in self.cells}) > 1

    def trains_alike(self) -> bool:
        """Whether all cells have one loss and one optimizer, as in phase 1."""
        return not self.varies_training()

    def has_ranks(self) -> bool:
        """Whether it is known how sure the ranks are."""
        return bool(self.ranks)

    def is_search(self) -> bool:
        """Whether its cells were drawn by a search."""
        return self.search is not None

    def has_front(self) -> bool:
        """Whether they were drawn by a search with several objectives."""
        return self.search is not None and self.search.front is not None

    def with_short_titles(self) -> "SweepTables":
        """Return the tables with the names of models shortened in the cells' titles."""
        short = short_models(self.cells)
        return replace(
            self,
            cells=[replace(cell, title=shorten_title(cell.title, short)) for cell in self.cells],
            ranks=[replace(line, title=shorten_title(line.title, short)) for line in self.ranks],
        )


class Curve(NamedTuple):
    """Points of a line: iterations and the loss there, finite values only."""

    step: Vector
    loss: Vector


class BestValidation(NamedTuple):
    """The validation with the lowest loss."""

    step: int
    epoch: int
    loss: float


class PickedSlice(NamedTuple):
    """An image chosen for the overlays, and why."""

    role: str
    image: str
    score: float


def loss_curve(history: pd.DataFrame, column: str) -> Curve:
    """Take one loss column's finite values; an empty table gives an empty curve."""
    if history.empty or column not in history:
        return Curve(np.empty(0), np.empty(0))
    step, loss = (history[name].to_numpy(dtype=np.float64) for name in ("step", column))
    finite = np.isfinite(loss)
    return Curve(step[finite], loss[finite])


def diverged(history: pd.DataFrame) -> int:
    """Count the iterations whose training loss was not a finite number."""
    return 0 if history.empty else len(history) - len(loss_curve(history, "train_loss").step)


def moving_mean(values: Vector, window: int) -> Vector:
    """Centred moving mean; near the ends it averages over the values there are.

    Args:
        values: [n].
        window: number of values averaged, odd.

    Returns:
        [n].
    """
    if len(values) == 0:
        return values
    total = np.convolve(values, np.ones(window), mode="full")
    count = np.convolve(np.ones(len(values)), np.ones(window), mode="full")
    middle: Vector = (total / count)[window // 2 : window // 2 + len(values)]
    return middle


def best_validation(history: pd.DataFrame) -> BestValidation | None:
    """Find the lowest validation loss; of equal ones the first, since a tie is no improvement.

    Source: paper Table II (validation patience).
    """
    validations = loss_curve(history, "val_loss")
    if len(validations.loss) == 0:
        return None
    at = int(np.argmin(validations.loss))
    step = validations.step[at]
    epoch = history.loc[history["step"] == step, "epoch"].iloc[0]
    return BestValidation(int(step), int(epoch), float(validations.loss[at]))


def by_class(per_image: pd.DataFrame, classes: Sequence[str], column: str = "dice") -> pd.DataFrame:
    """Spread one metric: a row an image (in the table's order), a column a class; missing stays NaN.

    Args:
        per_image: one row an image and class.
        classes: the columns.
        column: the metric.
    """
    if per_image.empty:
        return pd.DataFrame(columns=list(classes), dtype=float)
    wide = per_image.pivot(index="image", columns="class", values=column)
    return wide.reindex(index=per_image["image"].unique(), columns=list(classes)).astype(float)


def image_means(per_image: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Mean over images of the six metrics: a row a class, a column a metric; NaN where no image has a value."""
    if per_image.empty:
        return pd.DataFrame(np.nan, index=list(classes), columns=list(SCORED))
    means = per_image.groupby("class", sort=False)[list(SCORED)].mean()
    return means.reindex(list(classes)).astype(float)


def metric_spread(per_image: pd.DataFrame) -> pd.Series:
    """Standard deviation over images (N - 1) of each metric's mean over the classes that have a value on the image.

    Returns:
        A value a metric, `lge_sweep.metrics.Summary.std`; NaN with fewer than two images that have one.

    Source: paper Figs. 10 and 17.
    """
    if per_image.empty:
        return pd.Series(np.nan, index=list(SCORED))
    found = aggregate(per_image).std
    return pd.Series({metric: found[metric] for metric in SCORED}, dtype=float)


def foreground(classes: Sequence[str]) -> list[str]:
    """The classes that are not background."""
    return [name for name in classes if name != BACKGROUND]


def pick_slices(per_image: pd.DataFrame, classes: Sequence[str]) -> list[PickedSlice]:
    """Choose the best, the median and the worst image by mean Dice over the foreground classes that have a value.

    Images where no foreground class has a value are left out. Of an even number the lower of the two middle ones is
    the median; equal scores keep the table's order, the earlier counting as the better. No image comes twice.

    Returns:
        Best, median and worst; best and worst of two images; the only one; or nothing.
    """
    scores = by_class(per_image, foreground(classes)).mean(axis="columns").dropna()
    ranked = scores.sort_values(ascending=False, kind="stable")
    last = len(ranked) - 1
    places = {"best": 0, "median": (last + 1) // 2, "worst": last}
    if last < 2:
        places = [{}, {"only": 0}, {"best": 0, "worst": 1}][last + 1]
    return [PickedSlice(role, ranked.index[place], float(ranked.iloc[place])) for role, place in places.items()]


def best_cells(cells: Sequence[CellTables], best: Sequence[str]) -> list[CellTables]:
    """The cells named in `best`, in that order, without those that have no results."""
    named = {cell.name: cell for cell in cells}
    return [named[name] for name in best if name in named]


def stand_out(cells: Sequence[CellTables], best: Sequence[str]) -> list[bool]:
    """Whether each cell is drawn strongly: the best ones are; all are where none of the best has results."""
    shown = {cell.name for cell in best_cells(cells, best)}
    return [not shown or cell.name in shown for cell in cells]


def short_models(cells: Sequence[CellTables]) -> dict[str, str]:
    """Shorten the models' names to what follows the first underscore, unless two would then be alike.

    Returns:
        Model -> short name, e.g. ``deeplabv3plus_xception`` -> ``xception``; nothing if no title is long.
    """
    models = {cell.model for cell in cells if cell.model}
    short = {model: model.partition("_")[2] or model for model in models}
    crowded = any(len(cell.title) > _MAX_TITLE for cell in cells)
    return short if crowded and len(set(short.values())) == len(models) else {}


def shorten_title(title: str, short: Mapping[str, str]) -> str:
    """Put short names for the models' names in a title."""
    return " ".join(short.get(word, word) for word in title.split())
