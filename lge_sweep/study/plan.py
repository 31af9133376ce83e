"""From a configuration to everything a sweep needs before its first trial."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

import lge_sweep
from lge_sweep.atomic import write_json, write_text
from lge_sweep.config import Cell, SweepConfig, cells, short_names
from lge_sweep.config.data import DicomFolders
from lge_sweep.config.loader import read_yaml, validate
from lge_sweep.config.schema import Training
from lge_sweep.csv_files import frame_text, read_frame
from lge_sweep.curate import check_classes, curate
from lge_sweep.data import class_weights, content_digest, load_arrays, make_schedule, prepare
from lge_sweep.errors import ConfigError, DamagedError, DataError, RunsError
from lge_sweep.ingest import read
from lge_sweep.labels import Label, class_names
from lge_sweep.split import SUBSETS, split_cases
from lge_sweep.study.cell_files import read_cell
from lge_sweep.study.digest import basis_digest, sweep_digest
from lge_sweep.study.files import FACTS, MANIFEST, OUTCOME, SETTINGS
from lge_sweep.study.inherit import inherit_models
from lge_sweep.study.records import REMEDY, CellRecord, PlanRecord, read_record, set_damaged_aside
from lge_sweep.text import error_text, shorten


@dataclass(frozen=True)
class CellInputs:
    """What one cell is trained and measured on, and how it is trained.

    Attributes:
        arrays: folder of the prepared arrays.
        rows: subset -> rows of the arrays; "train", "val" and the subset that is measured.
        subset: name of the subset that is measured.
        class_weights: a weight a class of the cell's stage.
        training: how it is trained.
    """

    arrays: Path
    rows: Mapping[str, Sequence[int]]
    subset: str
    class_weights: tuple[float, ...]
    training: Training


@dataclass(frozen=True)
class PreparedData:
    """A data set, read, split and prepared; its attributes are those of the plans that it becomes part of.

    `images` are the slices as they were read: intensities [H, W] of each row of the manifest, in the source's units;
    `labels` are theirs, values of `Label`.
    """

    arrays: Path
    manifest: pd.DataFrame
    digest: str
    leaky: bool
    leak_share: float
    notes: tuple[str, ...]
    images: tuple[NDArray[np.number], ...]
    labels: tuple[NDArray[np.uint8], ...]

    def rows(self, subset: str) -> list[int]:
        """Return the rows of the manifest (and of the arrays) that belong to a subset."""
        return rows_of(self.manifest, subset)


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
            return read_cell(self.cell_folder(cell), cell, self.name)
        return None

    def cell_folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.folder / "cells" / cell.name


def make_plans(configs: Sequence[SweepConfig], root: Path | None, runs: Path) -> list[Plan]:
    """Read, curate, split and prepare the data of some sweeps, once for all, and write down what each will do.

    Args:
        configs: every setting of each sweep; all on the same data with the same profile.
        root: folder of the images.
        runs: the runs directory.

    Raises:
        DataError: the data cannot be used, or lacks a class that a stage needs.
        ConfigError: the training subset does not fill one batch.
        InheritError: the models are phase 1's to choose, and it has not chosen for this data and profile.
    """
    data = prepare_data(configs[0], root, runs)
    check_classes(data.manifest, [config.stage for config in configs], configs[0].selection.subset, configs[0].data)
    return [_grid_or_search(config, data, runs) for config in configs]


def _grid_or_search(config: SweepConfig, data: PreparedData, runs: Path) -> Plan:
    config, inherited = inherit_models(config, basis_digest(config, data.digest), runs)
    drawn = (config.search and config.search.batch_size) or ()
    for batch in (config.training.batch_size, *drawn):  # whatever can come, the training subset must fill a batch
        make_schedule(len(data.rows("train")), config.training.model_copy(update={"batch_size": batch}))
    plan = plan_sweep(config, data, runs, cells(config), notes=inherited)
    write_plan(plan)
    return plan


def prepare_data(config: SweepConfig, root: Path | None, runs: Path) -> PreparedData:
    """Read, curate, split and prepare the data that a configuration names.

    Raises:
        DataError: the data cannot be used.
    """
    curated = curate(read(config.source, root), config.curate)
    split = split_cases(curated.manifest, config.split)
    arrays = prepare(curated, config.training.image_size, config.intensity, runs / "cache")
    manifest = curated.manifest.assign(subset=curated.manifest["slice"].map(split.subsets).fillna(""))
    digest = content_digest(curated.manifest)
    return PreparedData(
        arrays, manifest, digest, split.leaky, split.leak_share, (*curated.notes, *split.notes), curated.images,
        curated.labels,
    )  # fmt: skip


def plan_sweep(
    config: SweepConfig,
    data: PreparedData,
    runs: Path,
    chosen: Sequence[Cell],
    inputs: Mapping[str, CellInputs] | None = None,
    notes: Sequence[str] = (),
    more: Sequence[str] = (),
) -> Plan:
    """Say what a sweep on prepared data will do.

    Args:
        config: every setting.
        data: the data.
        runs: the runs directory.
        chosen: the cells.
        inputs: cell -> its inputs, where they are not the data's own.
        notes: what a user should know, before what is to know of the data.
        more: digests of what else the sweep builds on; part of its name.

    Raises:
        DataError: a balanced loss is asked for and there is nothing to balance.
    """
    digest = sweep_digest(config, data.digest, more)[:10]
    name = f"{config.phase}-stage{config.stage}-{config.data}-{config.profile}-{digest}"
    weights = class_weights(load_arrays(data.arrays).labels[data.rows("train")], config.stage)
    _check_weights(config, weights)
    return Plan(
        config, name, runs / name, data.arrays, data.manifest, data.digest, basis_digest(config, data.digest), weights,
        data.leaky, data.leak_share, (*notes, *data.notes, *_guidance_notes(config, data.arrays)), tuple(chosen),
        inputs or {},
    )  # fmt: skip


def write_plan(plan: Plan) -> None:
    """Make the sweep's folder and write its settings, its manifest and its facts there; set aside what is damaged."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    reading = {
        SETTINGS: lambda: _read_settings(plan.folder),
        MANIFEST: lambda: read_manifest(plan.folder),
        FACTS: lambda: read_record(PlanRecord, plan.folder / FACTS),
    }
    for name, read_back in reading.items():
        set_damaged_aside(plan.folder / name, read_back)
    write_text(plan.folder / SETTINGS, _resolved(plan.config, plan.data_digest))
    write_text(plan.folder / MANIFEST, frame_text(plan.manifest))
    write_json(plan.folder / FACTS, _facts(plan).model_dump(mode="json"))


def load_plan(folder: Path) -> Plan:
    """Read back the plan of a sweep's folder.

    Raises:
        RunsError: the folder is not a sweep's.
    """
    absent = [name for name in (SETTINGS, MANIFEST, FACTS) if not (folder / name).is_file()]
    if absent:
        raise RunsError(f"{folder}: not the folder of a sweep: it has no {', '.join(absent)}")
    config = _read_settings(folder)
    facts = read_record(PlanRecord, folder / FACTS)
    return Plan(
        config=config,
        name=folder.resolve().name,
        folder=folder,
        arrays=folder.parent / facts.arrays,
        manifest=read_manifest(folder),
        data_digest=facts.data_digest,
        basis=facts.basis,
        class_weights=tuple(facts.class_weights.values()),
        leaky=facts.leaky,
        leak_share=facts.leak_share,
        notes=facts.notes,
        cells=tuple(_recorded(folder) if config.search or config.fit else cells(config)),
    )


def _read_settings(folder: Path) -> SweepConfig:
    try:
        return validate(SweepConfig, read_yaml(folder / SETTINGS), str(folder / SETTINGS))
    except ConfigError as error:
        raise DamagedError(folder / SETTINGS, error_text(error), REMEDY) from None


def read_manifest(folder: Path) -> pd.DataFrame:
    """Read the manifest of a sweep's folder: a row a slice; its `subset` is "" where the slice is not used.

    Raises:
        DamagedError: it is not such a table.
    """
    text = ("slice", "case", "subset", "image_hash", "content_hash", "perceptual_hash")
    numbers = ("spacing_row_mm", "spacing_column_mm", "spacing_slice_mm", "has_scar")
    return read_frame(folder / MANIFEST, text, numbers, REMEDY)


def _recorded(folder: Path) -> list[Cell]:
    """The finished cells of a sweep that is not a grid, in order of their names."""
    found = []
    for path in sorted(folder.glob(f"cells/*/{OUTCOME}")):
        cell = read_record(CellRecord, path).cell
        if cell.name != path.parent.name:
            raise DamagedError(path, f"it is of another cell, {shorten(cell.name)}", REMEDY)
        found.append(cell)
    return found


def _facts(plan: Plan) -> PlanRecord:
    return PlanRecord(
        data_digest=plan.data_digest,
        basis=plan.basis,
        arrays=plan.arrays.relative_to(plan.folder.parent).as_posix(),
        class_weights=dict(zip(class_names(plan.config.stage), plan.class_weights, strict=True)),
        leaky=plan.leaky,
        leak_share=plan.leak_share,
        notes=plan.notes,
    )


def _check_weights(config: SweepConfig, weights: tuple[float, ...]) -> None:
    """Refuse a balanced loss where there is nothing to balance."""
    absent = [name for name, weight in zip(class_names(config.stage), weights, strict=True) if weight == 0]
    if absent and "weighted_ce" in config.grid.loss:
        raise DataError(
            config.data,
            [
                f"no training slice has {' or '.join(absent)}, so that the loss weighted_ce has no weight for it; "
                "use more data, another split.seed, or leave weighted_ce out of grid.loss"
            ],
        )


def rows_of(manifest: pd.DataFrame, subset: str) -> list[int]:
    """Return the rows of a manifest that belong to a subset."""
    return [int(row) for row in np.flatnonzero(manifest["subset"] == subset)]


def subset_counts(manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count cases, slices and slices with scar of each subset."""
    return {
        subset: {
            "cases": int(rows["case"].nunique()),
            "slices": len(rows),
            "with_scar": int(rows["has_scar"].sum()),
        }
        for subset in SUBSETS
        for rows in [manifest[manifest["subset"] == subset]]
    }


def _guidance_notes(config: SweepConfig, arrays: Path) -> list[str]:
    """Say how many slices lose their cavity, and with it their guidance, to the refinement at this size."""
    if config.stage == 1:
        return []
    prepared = load_arrays(arrays)
    had = (prepared.labels == Label.CAVITY).any(axis=(1, 2))
    lost = int((had & ~prepared.refined.any(axis=(1, 2))).sum())
    size = config.training.image_size
    return [f"{lost} slice(s) have a cavity too small for the refinement at {size}x{size}: no guidance there"] * (
        lost > 0
    )


def _resolved(config: SweepConfig, data_digest: str) -> str:
    header = (
        f"# Every setting of this sweep, resolved by lge_sweep {lge_sweep.__version__}. Data content: {data_digest}\n"
    )
    settings = config.model_dump(mode="json")
    if isinstance(config.source, DicomFolders):
        hashed = [hashlib.sha256(uid.encode()).hexdigest()[:12] for uid in config.source.series]
        settings["source"]["series"] = [f"sha256:{digest}" for digest in hashed]
    return header + yaml.safe_dump(settings, sort_keys=False)
