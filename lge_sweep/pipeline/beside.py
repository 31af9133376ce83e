"""Somebody else's labels beside our pipelines: the same tables, and paired differences with what it would take to tell.

Ours are those of the newest phase 3 (or phase 4, of the test subset) on the same data, split and measured alike.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from lge_sweep.config import SweepConfig
from lge_sweep.errors import RunsError
from lge_sweep.pipeline.patients import PatientsRecord, PatientTables, read_patients
from lge_sweep.pipeline.records import ExternalRecord, MeasuredSubset
from lge_sweep.report import PatientReport, patient_report, pipelines_frame, pipelines_markdown
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import beside_reference, patient_differences
from lge_sweep.study import Plan, load_plan, read_per_image, read_record


@dataclass(frozen=True)
class Ours:
    """Our pipelines on a subset.

    Attributes:
        folder: where they were measured.
        reference: the paper's pipeline.
        shipped: the pipeline that is shipped.
        per_image: pipeline -> metrics of each image and class.
        tables: patients of both.
    """

    folder: MeasuredFolder
    reference: str
    shipped: str
    per_image: Mapping[str, pd.DataFrame]
    tables: PatientTables


class BesideOurs(NamedTuple):
    """Somebody else's labels, and ours behind them."""

    tables: PatientTables
    report: PatientReport
    reference: str
    """The pipeline that differences in `report` are to: the paper's; the labels themselves where ours are not there."""
    differences: pd.DataFrame
    """against (a pipeline of ours), and the columns of `patient_differences`: the labels minus ours."""
    frame: pd.DataFrame
    """`pipelines_frame`: slice by slice."""
    markdown: str
    """`pipelines_markdown`."""


def find_ours(
    store: RunStore, config: SweepConfig, data_digest: str, subset: str, slices: Collection[str]
) -> Ours | None:
    """Find our pipelines on some slices of a subset; None where no phase 3 or 4 has measured them alike.

    Args:
        store: the runs directory.
        config: settings of phase 3.
        data_digest: SHA-256 of the data's content.
        subset: "val" or "test".
        slices: the slices that were measured, of whole cases; ours are taken on these.
    """
    found: list[tuple[float, MeasuredFolder, PatientsRecord]] = []
    for sweep in store.sweeps("phase3-stage2"):
        folder: MeasuredFolder = store.evaluation(sweep.name) if subset == "test" else sweep
        path = folder.patients_record(subset)
        with suppress(RunsError):  # damaged, or of another version: not ours to mend here
            if path.is_file() and _is_alike(load_plan(sweep.path), config, data_digest, set(slices), subset):
                found.append((path.stat().st_mtime, folder, read_record(PatientsRecord, path)))
    if not found:
        return None
    _, folder, record = max(found, key=lambda entry: entry[0])
    names = list(dict.fromkeys((record.shipped, record.reference)))
    per_image = {name: read_per_image(folder.subset_table(subset, name)) for name in names}
    patients, by_slice = read_patients(folder, subset)
    by_slice = by_slice[by_slice["pipeline"].isin(names) & by_slice["slice"].isin(slices)]
    patients = patients[patients["pipeline"].isin(names) & patients["case"].isin(by_slice["case"])]
    return Ours(
        folder,
        record.reference,
        record.shipped,
        {name: table[table["image"].isin(slices)] for name, table in per_image.items()},
        PatientTables(patients, by_slice),
    )


def find_externals(store: RunStore, plan: Plan, subset: MeasuredSubset) -> dict[str, pd.DataFrame]:
    """Find somebody else's labels that were measured on slices of a study's subset.

    Args:
        store: the runs directory.
        plan: a sweep of the study.
        subset: "val" or "test".

    Returns:
        What they are called -> their patients, a row a case and structure.
    """
    there = set(plan.manifest.loc[plan.manifest["subset"] == subset, "slice"].astype(str))
    found = {}
    for folder in store.externals():
        with suppress(RunsError):  # damaged, or of another version: not ours to mend here
            path = folder.record(subset)
            if not path.is_file():
                continue
            record = read_record(ExternalRecord, path)
            tables = read_patients(folder, subset)
            if record.data_digest == plan.data_digest and set(tables.slices["slice"].astype(str)) <= there:
                found[record.name] = tables.patients
    return found


def _is_alike(plan: Plan, config: SweepConfig, data_digest: str, slices: Collection[str], subset: str) -> bool:
    """Whether a phase 3 measured these slices, among others, as the settings say."""
    own = plan.config
    there = set(plan.manifest.loc[plan.manifest["subset"] == subset, "slice"])
    same = (own.metrics, own.training.image_size) == (config.metrics, config.training.image_size)
    return same and plan.data_digest == data_digest and set(slices) <= there


def beside_ours(name: str, measured: tuple[pd.DataFrame, PatientTables], ours: Ours | None) -> BesideOurs:
    """Put somebody else's labels before ours.

    Args:
        name: what they are called.
        measured: metrics of each image and class, and patients.
        ours: our pipelines on the same slices.
    """
    own, tables = measured
    if ours is None:
        report = patient_report(tables.patients, tables.slices, name)
        results, compared = beside_reference({name: own}, name)
        frame = pipelines_frame(results, compared)
        nothing = patient_differences(tables.patients, tables.patients).iloc[:0].assign(against="")
        return BesideOurs(tables, report, name, nothing, frame, pipelines_markdown(frame, results, name))
    together = PatientTables(
        pd.concat([tables.patients, ours.tables.patients], ignore_index=True),
        pd.concat([tables.slices, ours.tables.slices], ignore_index=True),
    )
    differences = [
        patient_differences(tables.patients, ours.tables.patients[ours.tables.patients["pipeline"] == other]).assign(
            against=other
        )
        for other in ours.per_image
    ]
    results, compared = beside_reference({name: own, **ours.per_image}, ours.reference)
    frame = pipelines_frame(results, compared)
    return BesideOurs(
        together,
        patient_report(together.patients, together.slices, ours.reference),
        ours.reference,
        pd.concat(differences, ignore_index=True),
        frame,
        pipelines_markdown(frame, results, ours.reference),
    )
