"""What one sweep will do: its cells, the data that they are trained and measured on, and its name."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from lge_sweep.config import Cell, SweepConfig, short_names
from lge_sweep.config.losses import LOSSES
from lge_sweep.config.schema import Training
from lge_sweep.data import REPEATED, Offsets, class_weights, load_arrays
from lge_sweep.errors import DamagedError, DataError
from lge_sweep.labels import Label, class_names
from lge_sweep.run_store import CellFolder, RunStore, SweepFolder
from lge_sweep.study.cell_files import read_cell
from lge_sweep.study.digest import basis_digest, sweep_digest
from lge_sweep.study.manifest import rows_of
from lge_sweep.study.prepare import PreparedData
from lge_sweep.study.records import CellRecord


@dataclass(frozen=True)
class CellInputs:
    """What one cell is trained and measured on, and how it is trained.

    Attributes:
        arrays: folder of the prepared arrays.
        rows: subset -> rows of the arrays; "train", "val" and the subset that is measured.
        subset: name of the subset that is measured.
        class_weights: a weight a class of the cell's stage.
        training: how it is trained.
        shares: shares of a slice's height and width that each row of the arrays shows, of crops; None: all of it.
        offsets: which slices of its case the three channels of a slice show.
    """

    arrays: Path
    rows: Mapping[str, Sequence[int]]
    subset: str
    class_weights: tuple[float, ...]
    training: Training
    shares: Sequence[tuple[float, float]] | None = None
    offsets: Offsets = REPEATED


@dataclass(frozen=True)
class CellSet:
    """What sets a sweep apart from others with the same settings and data.

    Attributes:
        cells: its cells, in order.
        inputs: cell -> its inputs, where they are not the data's own.
        notes: what a user should know, before what is to know of the data.
        builds_on: digests of what else the sweep builds on; part of its name.
    """

    cells: tuple[Cell, ...]
    inputs: Mapping[str, CellInputs] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """One sweep, ready to run.

    Attributes:
        config: every setting.
        name: `<phase>-stage<k>-<data>-<profile>-<digest>`, the name of its folder, study and MLflow run.
        folder: its folder in the runs directory.
        arrays: folder of the prepared arrays.
        manifest: one row a slice, with its `subset` ("" if not used).
        data_digest: SHA-256 of the data's content.
        basis: SHA-256 of all that phases must share to be compared: see `basis_digest`.
        class_weights: a weight a class of the stage, from the training subset.
        leaky: whether the split lets a case be on two sides.
        leak_share: share of test slices that have a training slice of the same case.
        notes: what a user should know about the data, one sentence each.
        cells: the cells in grid order; of a search those that it has drawn and finished, none before it is run.
        inputs: cell -> its inputs, where they are not the plan's own (phase 3).
        slices_found: how many slices the exams have, used or not; None where an earlier version did not say.
    """

    config: SweepConfig
    name: str
    folder: Path
    arrays: Path
    manifest: pd.DataFrame
    data_digest: str
    basis: str
    class_weights: tuple[float, ...]
    leaky: bool
    leak_share: float
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]
    inputs: Mapping[str, CellInputs] = field(default_factory=dict)
    slices_found: int | None = None

    @property
    def files(self) -> SweepFolder:
        """What is in its folder."""
        return SweepFolder(self.folder)

    @property
    def title(self) -> str:
        """What to call the sweep above a table."""
        return f"{self.config.phase} stage {self.config.stage}: {self.config.data}, {self.config.profile}"

    def short_name(self, cell: Cell) -> str:
        """What to call a cell of this sweep on screen."""
        return self._short_names[cell.name] if self.cells else short_names([cell])[cell.name]

    @cached_property
    def _short_names(self) -> dict[str, str]:
        return short_names(self.cells)

    def rows(self, subset: str) -> list[int]:
        """Return the rows of the manifest (and of the arrays) that belong to a subset."""
        return rows_of(self.manifest, subset)

    def inputs_of(self, cell: Cell) -> CellInputs:
        """Return what a cell is trained and measured on."""
        if cell.name in self.inputs:
            return self.inputs[cell.name]
        subset = self.config.selection.subset
        rows = {name: self.rows(name) for name in dict.fromkeys(("train", "val", subset))}
        return CellInputs(self.arrays, rows, subset, self.class_weights, cell.training(self.config.training))

    def unfinished(self) -> list[Cell]:
        """Return the cells that have no result yet, or a damaged one."""
        return [cell for cell in self.cells if self.result_of(cell) is None]

    def result_of(self, cell: Cell) -> CellRecord | None:
        """Return the record of a cell if it is finished and its folder whole, else None."""
        with suppress(DamagedError):
            return read_cell(self.cell_files(cell), cell, self.name)
        return None

    def cell_files(self, cell: Cell) -> CellFolder:
        """Return what is in the folder of a cell."""
        return self.files.cell(cell.name)


def plan_sweep(config: SweepConfig, data: PreparedData, runs: Path, cell_set: CellSet) -> Plan:
    """Say what a sweep on prepared data will do.

    Args:
        config: every setting.
        data: the data.
        runs: the runs directory.
        cell_set: the cells, and what else sets the sweep apart.

    Raises:
        DataError: a balanced loss is asked for and there is nothing to balance.
    """
    digest = sweep_digest(config, data.digest, cell_set.builds_on)[:10]
    name = f"{config.phase}-stage{config.stage}-{config.data}-{config.profile}-{digest}"
    weights = class_weights(load_arrays(data.arrays).labels[data.rows("train")], config.stage)
    _check_weights(config, weights)
    return Plan(
        config=config,
        name=name,
        folder=RunStore(runs).sweep(name).path,
        arrays=data.arrays,
        manifest=data.manifest,
        data_digest=data.digest,
        basis=basis_digest(config, data.digest),
        class_weights=weights,
        leaky=data.leaky,
        leak_share=data.leak_share,
        notes=(*cell_set.notes, *data.notes, *_guidance_notes(config, data.arrays)),
        cells=cell_set.cells,
        inputs=cell_set.inputs,
        slices_found=data.slices_found,
    )


def _check_weights(config: SweepConfig, weights: tuple[float, ...]) -> None:
    """Refuse a balanced loss where there is nothing to balance."""
    absent = [name for name, weight in zip(class_names(config.stage), weights, strict=True) if weight == 0]
    balanced = " and ".join(name for name in config.grid.loss if LOSSES[name].balanced)
    if absent and balanced:
        raise DataError(
            config.data,
            [
                f"no training slice has {' or '.join(absent)}, so that the loss {balanced} has no weight for it; "
                f"use more data, another split.seed, or leave {balanced} out of grid.loss"
            ],
        )


def _guidance_notes(config: SweepConfig, arrays: Path) -> list[str]:
    """Say how many slices lose their cavity, and with it their guidance, to the refinement at this size."""
    if config.stage == 1:
        return []
    prepared = load_arrays(arrays)
    had = (prepared.labels == Label.CAVITY).any(axis=(1, 2))
    lost = int((had & ~prepared.refined.any(axis=(1, 2))).sum())
    if not lost:
        return []
    size = config.training.image_size
    return [f"{lost} slice(s) have a cavity too small for the refinement at {size}x{size}: no guidance there"]
