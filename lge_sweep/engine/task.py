"""What driver and worker say to each other; knows no torch, so that a driver stays light."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lge_sweep.config import Cell
from lge_sweep.config.schema import MetricsConfig, Training
from lge_sweep.data import frame_spacing
from lge_sweep.study.plan import Plan


@dataclass(frozen=True)
class CellTask:
    """All that a worker needs to execute a cell.

    Attributes:
        sweep: name of the sweep.
        cell: what to train.
        training: how to train it.
        class_weights: a weight a class of the stage, from the training subset.
        metrics: how to measure it.
        subset: the subset that is measured.
        folder: the cell's folder; if it has a checkpoint, training goes on from there.
        arrays: prepared arrays.
        subsets: subset -> rows of the arrays, for training, validation and the subset that is measured.
        names: slice id of each row of the measured subset.
        cases: case of each row of the measured subset.
        spacing: distance of rows and of columns of each, mm; NaN where it is not known.
    """

    sweep: str
    cell: Cell
    training: Training
    class_weights: Sequence[float]
    metrics: MetricsConfig
    subset: str
    folder: Path
    arrays: Path
    subsets: Mapping[str, Sequence[int]]
    names: Sequence[str]
    cases: Sequence[str]
    spacing: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        step: optimizer steps done.
        total: most there can be.
        loss: training loss of this step.
        val_loss: of the latest validation.
        val_dice: foreground Dice of the validation that this step ended in, None if it did not.
    """

    step: int
    total: int
    loss: float
    val_loss: float | None
    val_dice: float | None


@dataclass(frozen=True)
class Done:
    """The task is finished; a cell's outcome is in its folder."""


@dataclass(frozen=True)
class Pruned:
    """The task was given up, as the driver had asked."""


class TrialPrunedError(Exception):
    """Raised in a training that the driver wants stopped."""


@dataclass(frozen=True)
class Failed:
    """The task failed.

    Attributes:
        reason: one sentence for the user.
        disk: whether the disk is the cause, so that no other cell can do better.
        unexpected: whether the worker may be in a bad state and should be replaced.
    """

    reason: str
    disk: bool = False
    unexpected: bool = False


def make_task(plan: Plan, cell: Cell) -> CellTask:
    """Return all that a worker needs to execute a cell of a plan."""
    inputs = plan.inputs_of(cell)
    rows = list(inputs.rows[inputs.subset])
    measured = plan.manifest.iloc[rows]
    spacing = frame_spacing(measured, inputs.training.image_size)
    if inputs.shares is not None:
        spacing *= np.array(inputs.shares)[rows, None]
    return CellTask(
        sweep=plan.name,
        cell=cell,
        training=inputs.training,
        class_weights=inputs.class_weights,
        metrics=plan.config.metrics,
        subset=inputs.subset,
        folder=plan.cell_folder(cell),
        arrays=inputs.arrays,
        subsets=inputs.rows,
        names=measured["slice"].tolist(),
        cases=measured["case"].tolist(),
        spacing=[(row, column) for row, column in spacing.tolist()],
    )
