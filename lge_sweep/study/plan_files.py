"""The files that say what a sweep is: its settings, its manifest and its plan; written, and read back."""

from functools import partial
from pathlib import Path

import yaml

import lge_sweep
from lge_sweep.atomic import write_text
from lge_sweep.config import Cell, SweepConfig, cells
from lge_sweep.config.loader import read_yaml
from lge_sweep.config.validation import validate
from lge_sweep.csv_files import write_frame
from lge_sweep.errors import ConfigError, DamagedError, EarlierVersionError, RunsError
from lge_sweep.labels import class_names
from lge_sweep.run_store import SweepFolder
from lge_sweep.study.earlier import ANEW, is_of_earlier_version
from lge_sweep.study.manifest import read_manifest
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import REMEDY, CellRecord, PlanRecord, read_record, set_damaged_aside, write_record
from lge_sweep.text import error_text, shorten


def write_plan(plan: Plan) -> None:
    """Make the sweep's folder and write its settings, its manifest and its plan there; set aside what is damaged."""
    files = plan.files
    plan.folder.mkdir(parents=True, exist_ok=True)
    set_damaged_aside(files.settings, read_settings)
    set_damaged_aside(files.manifest, read_manifest)
    set_damaged_aside(files.plan, partial(read_record, PlanRecord))
    write_text(files.settings, _settings_text(plan.config, plan.data_digest))
    write_frame(files.manifest, plan.manifest)
    write_record(files.plan, _plan_record(plan))


def load_plan(folder: Path) -> Plan:
    """Read back the plan of a sweep's folder.

    Raises:
        RunsError: the folder is not a sweep's.
        DamagedError: a file of it is damaged.
    """
    files = SweepFolder(folder)
    absent = [path.name for path in (files.settings, files.manifest, files.plan) if not path.is_file()]
    if absent:
        raise RunsError(f"{folder}: not the folder of a sweep: it has no {', '.join(absent)}")
    record, config = read_record(PlanRecord, files.plan), read_settings(files.settings)
    return Plan(
        config=config,
        name=folder.resolve().name,
        folder=folder,
        arrays=files.runs / record.arrays,
        manifest=read_manifest(files.manifest),
        data_digest=record.data_digest,
        basis=record.basis,
        class_weights=tuple(record.class_weights.values()),
        leaky=record.leaky,
        leak_share=record.leak_share,
        notes=record.notes,
        slices_found=record.slices_found,
        cells=tuple(_finished_cells(files) if config.search or config.fit else cells(config)),
    )


def read_settings(path: Path) -> SweepConfig:
    """Read the settings of a sweep's folder.

    Raises:
        EarlierVersionError: an earlier version wrote them.
        DamagedError: they are not those of a sweep.
    """
    try:
        return validate(SweepConfig, read_yaml(path), str(path))
    except ConfigError as error:
        reason = error_text(error).removeprefix(f"{path}: ").removeprefix("- ")
    if is_of_earlier_version(path):
        raise EarlierVersionError(path, reason, ANEW)
    raise DamagedError(path, reason, REMEDY)


def _finished_cells(files: SweepFolder) -> list[Cell]:
    """Return the finished cells of a sweep that is not a grid, in order of their names."""
    found = []
    for folder in files.finished():
        cell = read_record(CellRecord, folder.outcome).cell
        if cell.name != folder.name:
            raise DamagedError(folder.outcome, f"it is of another cell, {shorten(cell.name)}", REMEDY)
        found.append(cell)
    return found


def _plan_record(plan: Plan) -> PlanRecord:
    return PlanRecord(
        data_digest=plan.data_digest,
        basis=plan.basis,
        arrays=plan.arrays.relative_to(plan.files.runs).as_posix(),
        class_weights=dict(zip(class_names(plan.config.stage), plan.class_weights, strict=True)),
        leaky=plan.leaky,
        leak_share=plan.leak_share,
        notes=plan.notes,
        slices_found=plan.slices_found,
    )


def _settings_text(config: SweepConfig, data_digest: str) -> str:
    header = (
        f"# Every setting of this sweep, resolved by lge_sweep {lge_sweep.__version__}. Data content: {data_digest}\n"
    )
    settings = {**config.model_dump(mode="json"), "source": config.source.recorded()}
    return header + yaml.safe_dump(settings, sort_keys=False)
