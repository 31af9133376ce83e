"""Labels that somebody else made, measured by the same rules as our pipelines, and beside them.

They are another program's, a published model's or a second observer's. Patient by patient they are measured on the
exam's own grid, as they are; slice by slice at the size of our networks, as all pipelines are.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import write_text
from lge_sweep.config import SweepConfig
from lge_sweep.csv_files import write_frame
from lge_sweep.curate import curate
from lge_sweep.data import content_digest, resize_labels
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.hashing import array_digest
from lge_sweep.ingest import LabelFolder, Volume, read, read_external_labels
from lge_sweep.labels import SINGLE_STAGE
from lge_sweep.pipeline.access import TEST_SUBSET, begin_access, describe_accesses, finish_access, hashes_of_test
from lge_sweep.pipeline.beside import BesideOurs, Ours, beside_ours, find_ours
from lge_sweep.pipeline.compare import measure_labels
from lge_sweep.pipeline.exams import group_exams
from lge_sweep.pipeline.patients import measure_patients, patient_values, read_patients, where_measured
from lge_sweep.pipeline.records import ExternalRecord, MeasuredSubset
from lge_sweep.pipeline.results import PATIENTS_HEADING
from lge_sweep.progress import ProgressCallback
from lge_sweep.report import patients_markdown, print_tables
from lge_sweep.run_folders import ExternalFolder
from lge_sweep.run_store import RunStore
from lge_sweep.split import split_cases
from lge_sweep.study import read_per_image, read_record, write_record
from lge_sweep.text import escape_markdown, list_names, shorten
from lge_sweep.tracking import Tracker, finishing

NOTHING_OF_OURS = (
    "No phase 3 (or 4, of the test subset) on the same data has been measured alike: nothing of ours is beside it."
)
FEWEST_CASES = 2
"""Fewer cases have no interval."""


@dataclass(frozen=True, kw_only=True)
class ExternalRequest:
    """What is to be measured.

    Attributes:
        name: what the labels are called in tables.
        folder: where they are.
        subset: "val" or "test".
        allow_missing: measure what can be, although there are findings.
    """

    name: str
    folder: LabelFolder
    subset: MeasuredSubset
    allow_missing: bool


@dataclass(frozen=True)
class ExternalEvaluation:
    """What somebody else's labels come to, beside ours.

    Attributes:
        files: where the tables are.
        record: what was measured.
        beside: all tables, ours among them where they are there.
        ours: where ours are from; None where there are none.
        again: whether they had been measured before.
        findings: what could not be measured.
        notes: what a user should know.
    """

    files: ExternalFolder
    record: ExternalRecord
    beside: BesideOurs
    ours: Ours | None
    again: bool
    findings: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Given:
    """The slices of a subset whose cases have labels."""

    manifest: pd.DataFrame
    truth: tuple[LabelImage, ...]
    labels: tuple[LabelImage, ...]
    missing: tuple[str, ...]
    data_digest: str


def evaluate_external(
    runs: Path, config: SweepConfig, root: Path | None, request: ExternalRequest, on_progress: ProgressCallback
) -> ExternalEvaluation:
    """Measure somebody else's labels, or read back what they were measured to be, and put them beside ours.

    Nothing is written, and the test subset is not looked at, before all is read and found right.

    Args:
        runs: the runs directory.
        config: settings of phase 3: the data, how it is split, and how it is measured.
        root: folder of the images.
        request: what is to be measured.
        on_progress: told what is done next, how many steps have been, and how many there are.

    Raises:
        ConfigError: the name cannot be used, or the folder holds no labels.
        DataError: the exams, or labels of some case, cannot be used.
        RunsError: the record of earlier looks at the test subset cannot be read.
    """
    on_progress("exams", 0, 3)
    volumes = read(config.source, root)
    on_progress("labels", 1, 3)
    given, findings, notes = _gather(volumes, config, request)
    on_progress("measuring", 2, 3)
    files, digest = RunStore(runs).external(request.name), _digest(given, config, request)
    ours = find_ours(RunStore(runs), config, given.data_digest, request.subset, set(given.manifest["slice"]))
    if ours and request.name in ours.per_image:
        raise ConfigError(f"a pipeline of ours is called {request.name}; give the labels another --name")
    record = _earlier(files, request, digest)
    again = record is not None
    if record is not None and request.subset == TEST_SUBSET:
        finish_access(runs, files.name)  # it was stopped between its numbers and this
    if record is None:
        record = _measure(runs, files, given, config, (request, digest))
    table = read_per_image(files.subset_table(request.subset, request.name))
    beside = beside_ours(request.name, (table, read_patients(files, request.subset)), ours)
    _write(files, record, beside, ours)
    on_progress("done", 3, 3)
    return ExternalEvaluation(files, record, beside, ours, again, findings, notes)


def show_external(tracker: Tracker, config: SweepConfig, evaluation: ExternalEvaluation) -> None:
    """Show somebody else's labels in MLflow, as a run of their own.

    Args:
        tracker: MLflow.
        config: settings of phase 3.
        evaluation: what the labels come to.
    """
    record, files = evaluation.record, evaluation.files
    tags = {
        "phase": "evaluate",
        "lge.kind": "external",
        "data": config.data,
        "data_digest": record.data_digest[:16],
        "subset": record.subset,
        "test_access": record.test_access or "none",
    }
    prefix = "test_patient" if record.subset == TEST_SUBSET else "patient"
    run = tracker.open_run(
        f"{files.name}/{record.subset}/{record.digest[:16]}",
        f"evaluate {record.name} {config.data}",
        tags,
        {"labels": record.name, "cases": record.cases},
    )
    with finishing(run):
        run.set(patient_values(evaluation.beside.report, prefix, record.name, (record.name,)))
        run.log_files([files.subset_tables(record.subset), *sorted(files.path.glob(f"*_{record.subset}.csv"))])
        run.finish()


def _gather(
    volumes: Sequence[Volume], config: SweepConfig, request: ExternalRequest
) -> tuple[_Given, tuple[str, ...], tuple[str, ...]]:
    """Read the labels of a subset's cases; return those that are whole, findings and notes.

    Raises:
        DataError: there are findings, and they are not allowed, or too few cases have labels, with or without findings.
    """
    curated = curate(volumes, config.curate)
    split = split_cases(curated.manifest, config.split)
    subsets = curated.manifest["slice"].map(split.subsets).fillna("")
    rows = [place for place, subset in enumerate(subsets) if subset == request.subset]
    manifest = curated.manifest.iloc[rows].assign(subset=request.subset)
    found = read_external_labels(request.folder, config.source, volumes, set(manifest["case"]))
    findings, missing = list(found.findings), []
    for case, slices in manifest.groupby("case", sort=False):
        lacking = [name for name in slices["slice"] if name not in found.labels]
        if lacking:
            missing.append(str(case))
            some = (
                f"{len(lacking)} of its {len(slices)} slices ({list_names(lacking, 3)}) have"
                if len(lacking) < len(slices)
                else "has"
            )
            findings.append(f"case {case}: {some} no labels that can be used")
    whole = ~manifest["case"].astype(str).isin(missing)
    left, there = (int(table["case"].nunique()) for table in (manifest[whole], manifest))
    if left < FEWEST_CASES:
        few = f"the {request.subset} subset has only {there} case(s)"
        if there >= FEWEST_CASES:
            few = f"only {left} of the {there} cases of the {request.subset} subset would be left"
        remedy = "take another --subset, or a larger one" if there < FEWEST_CASES else "mend the labels of others"
        findings.append(f"{few}; at least {FEWEST_CASES} are needed, as fewer have no interval: {remedy}")
        raise DataError(str(request.folder.path), findings)
    if findings and not request.allow_missing:
        raise DataError(
            str(request.folder.path), [*findings, f"to measure the {left} others all the same: --allow-missing"]
        )
    kept = [row for row, keep in zip(rows, whole, strict=True) if keep]
    labels = tuple(found.labels[name] for name in manifest.loc[whole, "slice"])
    truth = tuple(curated.labels[row] for row in kept)
    digest = content_digest(curated.manifest)
    given = _Given(manifest[whole].reset_index(drop=True), truth, labels, tuple(missing), digest)
    return given, tuple(findings), found.notes


def _digest(given: _Given, config: SweepConfig, request: ExternalRequest) -> str:
    """SHA-256 of the labels, the slices, and how they are measured."""
    parts = [request.subset, str(config.training.image_size), config.metrics.model_dump_json(), given.data_digest]
    parts += [
        f"{name} {array_digest(labels)}" for name, labels in zip(given.manifest["slice"], given.labels, strict=True)
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _earlier(files: ExternalFolder, request: ExternalRequest, digest: str) -> ExternalRecord | None:
    """Return the record of the same labels, measured before; None where there is none.

    Raises:
        ConfigError: the folder has other labels.
        DamagedError: the record is damaged.
    """
    path = files.record(request.subset)
    if not path.is_file():
        return None
    record = read_record(ExternalRecord, path, f"Remove {files.path}, or give another --name")
    if record.digest != digest or record.name != request.name:
        raise ConfigError(
            f"{files.path} has what other labels ('{shorten(record.name)}'), other data or other settings came to on "
            f"the {request.subset} subset; nothing is overwritten: give another --name, or remove it"
        )
    return record


def _measure(
    runs: Path, files: ExternalFolder, given: _Given, config: SweepConfig, asked: tuple[ExternalRequest, str]
) -> ExternalRecord:
    """Measure labels and write the tables of them; on the test subset this is a look, recorded before it begins.

    Args:
        runs: the runs directory.
        files: where to write.
        given: labels and truth.
        config: how they are measured.
        asked: what is to be measured, and the digest of it.
    """
    request, digest = asked
    look = request.subset == TEST_SUBSET
    said = describe_accesses(files.name, begin_access(runs, files.name, given.manifest)) if look else ""
    size = config.training.image_size
    small, truth = (
        np.stack([resize_labels(one, size, size) for one in labels]) for labels in (given.labels, given.truth)
    )
    path = files.subset_table(request.subset, request.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_frame(path, measure_labels(small, truth, SINGLE_STAGE, given.manifest, config))
    exams = group_exams(given.manifest, range(len(given.truth)))
    tables = measure_patients(exams, given.truth, {request.name: given.labels}, config.metrics.nsd_tolerance_mm)
    write_frame(files.patient_table("patients", request.subset), tables.patients)
    write_frame(files.patient_table("scar_slices", request.subset), tables.slices)
    record = ExternalRecord(
        name=request.name,
        subset=request.subset,
        data=config.data,
        data_digest=given.data_digest,
        digest=digest,
        cases=len(exams),
        missing=given.missing,
        test_access=said,
        test_slices=hashes_of_test(given.manifest) if look else (),
    )
    write_record(files.record(request.subset), record)
    if look:
        finish_access(runs, files.name)
    return record


def _write(files: ExternalFolder, record: ExternalRecord, beside: BesideOurs, ours: Ours | None) -> None:
    """Write what follows from the labels and from ours, which may have come since."""
    subset = record.subset
    frames = {
        "patient_summary": beside.report.summary,
        "scar_presence": beside.report.presence,
        "patient_agreement": beside.report.agreement,
        "differences": beside.differences,
        "pipelines": beside.frame,
    }
    for name, frame in frames.items():
        write_frame(files.patient_table(name, subset), frame)
    where = where_measured(subset, beside.tables)
    shown = patients_markdown(beside.report, beside.tables.patients, where)
    differences = print_tables({"differences": beside.differences}, where)
    heading = [f"# {escape_markdown(record.name)}, {subset} subset of {record.data}"]
    heading += [f"Test subset: {record.test_access}."] * bool(record.test_access)
    left_out = (
        f"Not measured, for want of labels: {', '.join(map(escape_markdown, record.missing))}. All numbers are of "
    )
    heading += [f"{left_out}the other {record.cases} cases."] * bool(record.missing)
    heading.append(f"Ours are those of {ours.folder.name}." if ours else NOTHING_OF_OURS)
    sections = [
        *heading,
        f"{PATIENTS_HEADING}\n\n{shown}",
        *[f"## Differences, patient by patient\n\n{differences}"] * bool(ours),
        f"## Slice by slice, at the size of our networks\n\n{beside.markdown}",
    ]
    write_text(files.subset_tables(subset), "\n\n".join(sections) + "\n")
