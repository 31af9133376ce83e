"""What an executor is given to do: plain data; knows no torch, so that a driver stays light."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, TypeAdapter

from lge_sweep.config import Cell
from lge_sweep.config.schema import MetricsConfig, Training
from lge_sweep.data import REPEATED, Offsets, frame_spacing, make_schedule
from lge_sweep.engine.events import Message
from lge_sweep.run_store import CellFolder, RunStore
from lge_sweep.study import Plan


class CellTask(Message):
    """Train and measure a cell."""

    kind: Literal["cell"] = "cell"
    sweep: str
    """Name of the sweep."""
    cell: Cell
    """What to train."""
    training: Training
    """How to train it."""
    class_weights: tuple[float, ...]
    """A weight a class of the stage, from the training subset."""
    metrics: MetricsConfig
    """How to measure it."""
    subset: str
    """The subset that is measured."""
    folder: Path
    """The cell's folder; if it has a checkpoint, training goes on from there."""
    speeds: Path
    """File of what was measured on this machine."""
    arrays: Path
    """Prepared arrays."""
    offsets: Offsets = REPEATED
    """Which slices of its case the three channels of a slice show."""
    subsets: dict[str, list[int]]
    """Subset -> rows of the arrays, for training, validation and the subset that is measured."""
    names: tuple[str, ...]
    """Slice id of each row of the measured subset."""
    cases: tuple[str, ...]
    """Case of each row of the measured subset."""
    spacing: tuple[tuple[float, float] | None, ...]
    """Distance of rows and of columns of each, mm; None where it is not known."""

    @property
    def files(self) -> CellFolder:
        """What is in the cell's folder."""
        return CellFolder(self.folder)


class WeightsTask(Message):
    """Find out whether pretrained weights, and a GPU if one is needed, can be had where cells are trained."""

    kind: Literal["weights"] = "weights"
    models: tuple[str, ...]
    """The architectures."""
    weights: str
    """The option `training.encoder_weights`."""
    width: float
    """The option `training.width`."""
    needs_gpu: str = ""
    """The setting that only a GPU can keep to; "" if there is none."""


class PaceTask(Message):
    """Take training steps, to measure how fast they are beside what else is done on the machine.

    It says `Progress` with a validation as soon as it is ready, and begins to measure when that is answered.
    """

    kind: Literal["pace"] = "pace"
    cell: Cell
    """What to train, on noise."""
    training: Training
    """How to train it."""
    threads: int = 1
    """Processor threads that compute."""
    seconds: float = 1.0
    """How long."""


Task = CellTask | WeightsTask | PaceTask
TASK: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="kind")])
"""Reads and writes tasks of any kind: `TASK.dump_json`, `TASK.validate_json`."""


@dataclass(frozen=True)
class SweepSample:
    """What a sweep's trainings are like, to measure how the machine that executes them is best shared.

    Attributes:
        task: takes steps of one of them.
        steps: optimizer steps of all that are left to do, at most.
    """

    task: PaceTask
    steps: int


class TrialPrunedError(Exception):
    """Raised in a training that the driver wants stopped."""


def make_sample(plan: Plan, left: int) -> SweepSample:
    """Say what the trainings of a sweep are like: as the first of its grid.

    Args:
        plan: the sweep.
        left: how many trainings there are.
    """
    grid = plan.config.grid
    drawn = Cell(plan.config.stage, grid.model[0], grid.loss[0], grid.optimizer[0], grid.seed[0])  # of a search
    inputs = plan.inputs_of(cell := next(iter(plan.cells), drawn))
    steps = make_schedule(len(inputs.rows["train"]), inputs.training).total_steps
    return SweepSample(PaceTask(cell=cell, training=inputs.training), left * steps)


def make_task(plan: Plan, cell: Cell) -> CellTask:
    """Return all that is needed to execute a cell of a plan."""
    inputs = plan.inputs_of(cell)
    rows = list(inputs.rows[inputs.subset])
    measured = plan.manifest.iloc[rows]
    spacing = frame_spacing(measured, inputs.training.image_size)
    if inputs.shares is not None:
        spacing *= np.array(inputs.shares)[rows]
    return CellTask(
        sweep=plan.name,
        cell=cell,
        training=inputs.training,
        class_weights=inputs.class_weights,
        metrics=plan.config.metrics,
        subset=inputs.subset,
        folder=plan.cell_files(cell).path,
        speeds=RunStore(plan.files.runs).speeds,
        arrays=inputs.arrays,
        offsets=inputs.offsets,
        subsets={name: list(rows) for name, rows in inputs.rows.items()},
        names=tuple(measured["slice"]),
        cases=tuple(measured["case"]),
        spacing=tuple(None if np.isnan(pair).any() else (float(pair[0]), float(pair[1])) for pair in spacing),
    )
